import type { ReplyLine } from "./reply.ts";
import type { BirdStatus, ProtocolStatus, RouteEntry } from "./status.ts";

type Mutable<T> = { -readonly [K in keyof T]: T[K] };

/** Reads the reply to `show status`. */
export function parseStatus(lines: readonly ReplyLine[]): Omit<BirdStatus, "protocols"> {
  const text = (code: number) => lines.find((line) => line.code === code)?.text;
  const details = lines.filter((line) => line.code === 1011).map((line) => line.text);
  const routerId = details
    .map((line) => /^Router ID is (\S+)/.exec(line)?.[1])
    .find((id) => id !== undefined);
  const daemon = text(13) ?? "";
  const state = daemon.startsWith("Reconfiguration")
    ? "reconfiguring"
    : daemon.startsWith("Shutdown")
      ? "stopping"
      : text(24) === undefined
        ? "running"
        : "recovering";
  return { version: (text(1000) ?? "").replace(/^BIRD /, ""), routerId: routerId ?? "", state };
}

/** Reads the reply to `show protocols all`. */
export function parseProtocols(lines: readonly ReplyLine[]): ProtocolStatus[] {
  const protocols: Mutable<ProtocolStatus>[] = [];
  let neighbour: { address?: string; asNumber?: number } = {};
  let isNeighbours = false;
  for (const { code, text } of lines) {
    if (code === 1002) {
      const [name, type, , state, since, ...info] = text.trim().split(/\s+/);
      if (name === undefined || type === undefined || state === undefined) continue;
      neighbour = {};
      isNeighbours = false;
      // `since` is a time of day today and a date before; both are one word.
      protocols.push({ name, type, up: state === "up", info: since === undefined ? "" : info.join(" ") });
      continue;
    }
    const protocol = protocols.at(-1);
    if (code !== 1006 || protocol === undefined) continue;
    const address = /^\s*Neighbor address:\s+(\S+)/.exec(text)?.[1];
    if (address !== undefined) neighbour.address = address;
    const asNumber = /^\s*Neighbor AS:\s+(\d+)/.exec(text)?.[1];
    if (asNumber !== undefined) neighbour.asNumber = Number(asNumber);
    if (neighbour.address !== undefined && neighbour.asNumber !== undefined)
      protocol.neighbour = { address: neighbour.address, asNumber: neighbour.asNumber };
    const whose = /^\s*(Local|Neighbor) capabilities/.exec(text)?.[1];
    if (whose !== undefined) isNeighbours = whose === "Neighbor";
    if (isNeighbours && /^\s*Graceful restart/.test(text)) protocol.keepsRoutes = true;
    const routes = /^\s*Routes:\s+(\d+) imported,(?:\s+\d+ filtered,)?\s+(\d+) exported/.exec(text);
    if (routes !== null)
      protocol.routes = {
        imported: (protocol.routes?.imported ?? 0) + Number(routes[1]),
        exported: (protocol.routes?.exported ?? 0) + Number(routes[2]),
      };
  }
  return protocols;
}

/** Reads the reply to `show route all`. */
export function parseRoutes(lines: readonly ReplyLine[]): RouteEntry[] {
  const routes: Mutable<RouteEntry>[] = [];
  let network = "";
  for (const { code, text } of lines) {
    const route = routes.at(-1);
    if (code === 1007) {
      const head =
        /^(?<net>\S*)\s+(?:unicast|blackhole|unreachable|prohibited)\s+\[(?<proto>\S+) [^\]]*\]\s*(?<primary>\*)?\s*\((?<pref>\d+)/.exec(
          text,
        )?.groups;
      if (head !== undefined) {
        network = head.net || network;
        routes.push({
          network,
          primary: head.primary !== undefined,
          protocol: head.proto!,
          preference: Number(head.pref),
          communities: [],
        });
        continue;
      }
      const hop = /^\s+(?:via (\S+) on (\S+)|dev (\S+))/.exec(text);
      if (hop === null || route === undefined) continue;
      if (hop[1] !== undefined) route.via = hop[1];
      route.interface = (hop[2] ?? hop[3])!;
      continue;
    }
    if (route === undefined) continue;
    if (code === 1008) {
      const source = /^\s*Type:\s+(\S+)/.exec(text)?.[1];
      if (source !== undefined) route.source = source;
      continue;
    }
    if (code !== 1012) continue;
    const attribute = /^\s*(?:BGP\.|Kernel\.|krt_)?(\w+):\s+(.*)$/.exec(text);
    if (attribute === null) continue;
    const [, name, value] = attribute;
    if (name === "next_hop") route.nextHop = (value ?? "").split(" ")[0]!;
    if (name === "local_pref") route.localPreference = Number(value);
    if (name === "metric") route.kernelMetric = Number(value);
    if (name === "community" || name === "large_community")
      route.communities = [
        ...route.communities,
        ...(value ?? "").matchAll(/\(([^)]*)\)/g).map((m) => m[1]!.split(/,\s*/).join(":")),
      ];
  }
  return routes;
}
