import type { LocalEndpoint } from "../endpoint.ts";
import type { Explanation, Packet, Step } from "../packet.ts";
import type { PolicySettings } from "../settings.ts";
import type { Calculator } from "./calculator.ts";
import { evaluateTiers } from "./evaluate.ts";
import { guardObjection, isLinkService } from "./guard.ts";
import { type ReadPacket, readPacket } from "./match.ts";

const denied = (note: string, before: readonly Step[] = []): Explanation => ({
  verdict: "deny",
  path: [...before, { at: "endpoint", note }],
});

/** The verdict for the first packet of a connection, and how it comes about. */
export function explain(
  packet: Packet,
  endpoint: LocalEndpoint,
  calculator: Calculator,
  settings: PolicySettings,
): Explanation {
  const question = { packet, read: readPacket(packet), endpoint, calculator, settings };
  const now = judge({ ...question, staged: false });
  const direction = packet.direction === "in" ? "ingress" : "egress";
  const tiers = calculator.tiersOf(endpoint.id, direction);
  if (!tiers.some(({ policies }) => policies.some((policy) => policy.staged))) return now;
  return { ...now, staged: judge({ ...question, staged: true }) };
}

interface Question {
  readonly packet: Packet;
  readonly read: ReadPacket;
  readonly endpoint: LocalEndpoint;
  readonly calculator: Calculator;
  readonly settings: PolicySettings;
  /** Whether staged policies count. */
  readonly staged: boolean;
}

function judge(question: Question): Explanation {
  const { packet, endpoint } = question;
  if (endpoint.state === "down") return denied("the endpoint is down");
  if (packet.direction === "out") return judgeOutgoing(question);
  if (packet.path === "host") {
    return {
      verdict: "allow",
      path: [{ at: "default", action: "Allow", note: "the node may reach its workloads" }],
    };
  }
  return policyVerdict(question, "ingress");
}

function judgeOutgoing(question: Question): Explanation {
  const { packet, read, endpoint, settings } = question;
  const objection = guardObjection(read, endpoint, settings);
  if (objection !== undefined) return denied(objection);
  if (packet.path !== "host") return policyVerdict(question, "egress");
  if (isLinkService(read)) {
    return { verdict: "allow", path: [{ at: "default", action: "Allow", note: "needed on the link" }] };
  }
  const policy = policyVerdict(question, "egress");
  if (policy.verdict === "deny" || settings.defaultEndpointToHostAction !== "Drop") return policy;
  const note = "workloads do not reach their node (defaultEndpointToHostAction)";
  return { verdict: "deny", path: [...policy.path, { at: "default", action: "Deny", note }] };
}

function policyVerdict(
  { read, endpoint, calculator, staged }: Question,
  direction: "ingress" | "egress",
): Explanation {
  const tiers = calculator.tiersOf(endpoint.id, direction);
  const { verdict, path } = evaluateTiers(tiers, direction, read, calculator.sets, { staged });
  if (verdict !== undefined) return { verdict, path };
  const profile = `kns.${endpoint.pod.namespace}`;
  return { verdict: "allow", path: [...path, { at: "profile", profile, action: "Allow" }] };
}
