import { filterFunction, rulesOf } from "./filter.ts";
import { parseAddress } from "./prefix.ts";
import type { Problems } from "./problems.ts";
import type { Session } from "./session.ts";
import type { BgpFilter } from "./speaker.ts";
import { quoted, symbol } from "./symbol.ts";

/** BGP protocols, and the static routes that reach neighbours behind a gateway. */
export function sessionProtocols(
  sessions: readonly Session[],
  filters: readonly BgpFilter[],
  problems: Problems,
): string[] {
  const lines = [
    "template bgp neighbour {",
    "  graceful restart on;",
    // The first try comes as soon as the jitter of two nodes allows; a neighbour that is down is tried often.
    "  connect delay time 1;",
    "  connect retry time 5;",
    "  error wait time 1, 10;",
    "}",
    "",
  ];
  const byName = new Map(filters.map((filter) => [filter.name, filter]));
  for (const session of sessions) lines.push(...protocolOf(session, byName, problems));
  for (const family of [4, 6] as const) {
    const routes = sessions.flatMap((s) =>
      s.family === family && s.gateway !== undefined
        ? [`  route ${s.address}/${family === 4 ? 32 : 128} via ${s.gateway};`]
        : [],
    );
    if (routes.length > 0)
      lines.push(`protocol static gateways${family} {`, `  ipv${family};`, ...new Set(routes), "}", "");
  }
  return lines;
}

/** The protocol name BIRD reports for a session. */
export function protocolName(session: Pick<Session, "name" | "family">): string {
  return symbol(`bgp${session.family}`, session.name);
}

function protocolOf(session: Session, filters: ReadonlyMap<string, BgpFilter>, problems: Problems): string[] {
  const object = session.name.startsWith("mesh.")
    ? "BGPConfiguration/default"
    : `BGPPeer/${session.name.slice("peer.".length)}`;
  const address = problems.need(parseAddress(session.address), object, "address", "is not an address");
  const local = session.localAddress === undefined ? undefined : parseAddress(session.localAddress);
  if (session.localAddress !== undefined && local === undefined)
    return problems.add(object, "localAddress", "is not an address") ?? [];
  const password = session.password === undefined ? undefined : quoted(session.password);
  if (session.password !== undefined && password === undefined)
    return (
      problems.add(object, "password", "has a double quote or control character, which BIRD cannot take") ??
      []
    );
  if (address === undefined) return [];
  const { family } = session;
  const sameAs = session.localAs === session.peerAs;
  const calls = (direction: "import" | "export") =>
    session.filters.flatMap((name) => {
      const filter = filters.get(name);
      if (filter === undefined || rulesOf(filter, direction, family).length === 0) return [];
      return [`      ${filterFunction(name, direction, family)}(${sameAs});`];
    });
  return [
    `protocol bgp ${protocolName(session)} from neighbour {`,
    `  local ${local ? `${local.text} ` : ""}port ${session.localPort} as ${session.localAs};`,
    `  neighbor ${address.text} port ${session.port ?? 179} as ${session.peerAs};`,
    `  multihop${session.hops === undefined ? "" : ` ${session.hops}`};`,
    ...(session.clusterId === undefined ? [] : ["  rr client;", `  rr cluster id ${session.clusterId};`]),
    ...(password === undefined ? [] : [`  password ${password};`]),
    ...(session.hops === undefined ? [] : ["  ttl security on;"]),
    ...(session.passive ? ["  passive on;"] : []),
    ...(session.restartSeconds === undefined ? [] : [`  graceful restart time ${session.restartSeconds};`]),
    ...(session.keepaliveSeconds === undefined
      ? []
      : [`  keepalive time ${session.keepaliveSeconds};`, `  hold time ${session.keepaliveSeconds * 3};`]),
    ...(session.allowLocalAs === undefined ? [] : [`  allow local as ${session.allowLocalAs};`]),
    `  ipv${family} {`,
    ...(session.nextHop === "Self" ? ["    next hop self;"] : []),
    ...(session.nextHop === "Keep" ? ["    next hop keep;"] : []),
    "    gateway recursive;",
    "    import filter {",
    ...calls("import"),
    `      prefer_elevated${family}();`,
    "      accept;",
    "    };",
    "    export filter {",
    `      set_priority${family}();`,
    ...calls("export"),
    `      announce${family}(${sameAs});`,
    "      reject;",
    "    };",
    "  };",
    "}",
    "",
  ];
}
