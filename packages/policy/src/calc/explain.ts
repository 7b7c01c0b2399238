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
  if (endpoint.state === "down") return denied("the endpoint is down");
  const read = readPacket(packet);
  if (packet.direction === "out") return explainOutgoing(packet, read, endpoint, calculator, settings);
  if (packet.path === "host") {
    return {
      verdict: "allow",
      path: [{ at: "default", action: "Allow", note: "the node may reach its workloads" }],
    };
  }
  return policyVerdict(read, endpoint, "ingress", calculator);
}

function explainOutgoing(
  packet: Packet,
  read: ReadPacket,
  endpoint: LocalEndpoint,
  calculator: Calculator,
  settings: PolicySettings,
): Explanation {
  const objection = guardObjection(read, endpoint, settings);
  if (objection !== undefined) return denied(objection);
  if (packet.path !== "host") return policyVerdict(read, endpoint, "egress", calculator);
  if (isLinkService(read)) {
    return { verdict: "allow", path: [{ at: "default", action: "Allow", note: "needed on the link" }] };
  }
  const policy = policyVerdict(read, endpoint, "egress", calculator);
  if (policy.verdict === "deny" || settings.defaultEndpointToHostAction !== "Drop") return policy;
  const note = "workloads do not reach their node (defaultEndpointToHostAction)";
  return { verdict: "deny", path: [...policy.path, { at: "default", action: "Deny", note }] };
}

function policyVerdict(
  read: ReadPacket,
  endpoint: LocalEndpoint,
  direction: "ingress" | "egress",
  calculator: Calculator,
): Explanation {
  const tiers = calculator.tiersOf(endpoint.id, direction);
  const { verdict, path } = evaluateTiers(tiers, direction, read, calculator.sets);
  if (verdict !== undefined) return { verdict, path };
  const profile = `kns.${endpoint.pod.namespace}`;
  return { verdict: "allow", path: [...path, { at: "profile", profile, action: "Allow" }] };
}
