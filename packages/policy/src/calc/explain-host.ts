import { endsByDefault, type HostInterface, type Layer } from "../host/host-endpoint.ts";
import { profileTier } from "../host/profile.ts";
import type { Direction } from "../model/policy.ts";
import type { Explanation, Packet, Step } from "../packet.ts";
import { judged, linkTypes } from "../render/host.ts";
import { bounds, contains } from "../ruleset/network.ts";
import { protocolNumber } from "../ruleset/statement.ts";
import type { FailsafePort, PolicySettings } from "../settings.ts";
import type { Calculator } from "./calculator.ts";
import { evaluateTiers } from "./evaluate.ts";
import { type ReadPacket, readPacket } from "./match.ts";

const decided = (verdict: "allow" | "deny", note: string, before: readonly Step[] = []): Explanation => ({
  verdict,
  path: [...before, { at: "default", action: verdict === "allow" ? "Allow" : "Deny", note }],
});

/** The verdict of a host endpoint for the first packet of a connection, with what policies before tracking and translation say. */
export function explainHost(
  packet: Packet,
  host: HostInterface,
  calculator: Calculator,
  settings: PolicySettings,
): Explanation {
  const read = readPacket(packet);
  const direction: Direction = packet.direction === "in" ? "ingress" : "egress";
  const local = packet.path === "host";
  if (read.protocol === protocolNumber.icmpv6 && linkTypes.includes(read.icmp?.type ?? -1))
    return decided("allow", "needed on the link");
  const path: Step[] = [];
  const ask = (layer: Layer) => {
    if (!judged(host, { layer, direction }, calculator)) return undefined;
    const tiers = calculator.tiersOf(host.id, direction, layer);
    const outcome = evaluateTiers(tiers, direction, read, calculator.sets, { open: !endsByDefault(layer) });
    path.push(...outcome.path);
    return outcome.verdict;
  };
  const { failsafeInbound, failsafeOutbound } = settings;
  const [asked, answered] =
    packet.direction === "in" ? [failsafeInbound, failsafeOutbound] : [failsafeOutbound, failsafeInbound];
  const safe = asked.some((port) => isFailsafe(port, read, packet.direction, read.destinationPort));
  const answer = answered.some((port) => isFailsafe(port, read, packet.direction, read.sourcePort));
  // What leaves through this node without beginning here is seen by no stage before forwarding.
  if ((packet.direction === "in" || local) && !safe && !answer) {
    const verdict = ask("untracked");
    if (verdict !== undefined) return { verdict, path };
  }
  if (packet.direction === "in" && !safe && ask("preDNAT") === "deny") return { verdict: "deny", path };
  if (!local) {
    const verdict = ask("forward");
    return verdict ? { verdict, path } : decided("allow", "no policy applies to what is forwarded", path);
  }
  if (safe) return decided("allow", "a failsafe port", path);
  const verdict = ask("normal");
  if (verdict !== undefined) return { verdict, path };
  const profiles = {
    tier: { name: profileTier, order: 0, defaultAction: "Pass" },
    policies: calculator.profilesOf(host),
  } as const;
  const outcome = evaluateTiers([profiles], direction, read, calculator.sets);
  if (outcome.verdict !== undefined) return { verdict: outcome.verdict, path: [...path, ...outcome.path] };
  return decided("deny", "neither policy nor profile allows it", path);
}

function isFailsafe(
  { protocol, port, net }: FailsafePort,
  packet: ReadPacket,
  direction: Packet["direction"],
  packetPort: number | undefined,
): boolean {
  if (protocolNumber[protocol] !== packet.protocol || port !== packetPort) return false;
  return net === undefined || contains(bounds(net), direction === "in" ? packet.source : packet.destination);
}
