import type { LocalEndpoint } from "../endpoint.ts";
import { bounds, contains } from "../ruleset/network.ts";
import { address } from "../ruleset/value.ts";
import type { PolicySettings } from "../settings.ts";
import type { ReadPacket } from "./match.ts";

const udp = 17;
const icmpv6 = 58;
const linkLocal = bounds("fe80::/10");

/** Why a workload may not send this at all, whatever policy says; `undefined` when it may. */
export function guardObjection(
  packet: ReadPacket,
  endpoint: LocalEndpoint,
  settings: PolicySettings,
): string | undefined {
  const { family, protocol, source, sourcePort, destinationPort, icmp } = packet;
  const dhcpServer = family === 4 ? [67, 68] : [547, 546];
  if (protocol === udp && sourcePort === dhcpServer[0] && destinationPort === dhcpServer[1]) {
    return "a workload is no DHCP server";
  }
  if (protocol === icmpv6 && icmp?.type === 134) return "a workload is no router (router advertisement)";
  if (protocol === icmpv6 && icmp?.type === 137) return "a workload is no router (redirect)";
  if (endpoint.macs.length === 0) return "the endpoint has no MAC";
  if (endpoint.addresses.some((own) => address(own) === source)) return undefined;
  if (family === 6 && contains(linkLocal, source)) return undefined;
  if (settings.workloadSourceSpoofing === "Any") {
    if (endpoint.allowedSourcePrefixes?.some((prefix) => contains(bounds(prefix), source))) return undefined;
  }
  return "the source address is not the workload's";
}

/** What a workload may always say to its node: neighbour discovery, multicast listening, DHCP. */
export function isLinkService({ family, protocol, sourcePort, destinationPort, icmp }: ReadPacket): boolean {
  if (protocol === icmpv6) return [131, 132, 133, 135, 136, 143].includes(icmp?.type ?? -1);
  const dhcpClient = family === 4 ? [68, 67] : [546, 547];
  return protocol === udp && sourcePort === dhcpClient[0] && destinationPort === dhcpClient[1];
}
