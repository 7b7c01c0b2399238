import { type TruthRow, truthTable } from "./truth-table.ts";
import {
  all,
  from,
  ingress,
  inNamespaces,
  namespace,
  nobody,
  onPorts,
  pod,
  type WayName,
} from "./vocabulary.ts";

const asked = ["tcp79", "tcp80", "tcp81", "tcp82", "udp80", "udp81", "sctp80", "sctp81"] as const;

/** Ports of one rule, and the ways that get in; the others of `asked` do not. */
const lists: readonly (readonly [name: string, ports: readonly object[], open: readonly WayName[]])[] = [
  ["a port; the protocol defaults to TCP", [{ port: 80 }], ["tcp80"]],
  ["a port of UDP", [{ protocol: "UDP", port: 80 }], ["udp80"]],
  ["a port of SCTP", [{ protocol: "SCTP", port: 81 }], ["sctp81"]],
  ["a protocol", [{ protocol: "TCP" }], ["tcp79", "tcp80", "tcp81", "tcp82"]],
  ["UDP", [{ protocol: "UDP" }], ["udp80", "udp81"]],
  ["SCTP", [{ protocol: "SCTP" }], ["sctp80", "sctp81"]],
  ["two ports", [{ port: 79 }, { port: 82 }], ["tcp79", "tcp82"]],
  ["one port of two protocols", [{ port: 80 }, { protocol: "UDP", port: 80 }], ["tcp80", "udp80"]],
  [
    "three protocols, a port each",
    [{ port: 79 }, { protocol: "UDP", port: 80 }, { protocol: "SCTP", port: 81 }],
    ["tcp79", "udp80", "sctp81"],
  ],
  ["all of UDP and a port of TCP", [{ protocol: "UDP" }, { port: 82 }], ["tcp82", "udp80", "udp81"]],
  [
    "a port, then its whole protocol",
    [{ port: 80 }, { protocol: "TCP" }],
    ["tcp79", "tcp80", "tcp81", "tcp82"],
  ],
  ["a range", [{ port: 80, endPort: 81 }], ["tcp80", "tcp81"]],
  ["a range of one", [{ port: 81, endPort: 81 }], ["tcp81"]],
  ["a range of UDP", [{ protocol: "UDP", port: 1, endPort: 80 }], ["udp80"]],
  ["a range of SCTP", [{ protocol: "SCTP", port: 81, endPort: 65_535 }], ["sctp81"]],
  ["the whole range", [{ port: 1, endPort: 65_535 }], ["tcp79", "tcp80", "tcp81", "tcp82"]],
  [
    "ranges that overlap",
    [
      { port: 79, endPort: 80 },
      { port: 80, endPort: 81 },
    ],
    ["tcp79", "tcp80", "tcp81"],
  ],
  [
    "ranges apart",
    [
      { port: 78, endPort: 79 },
      { port: 82, endPort: 83 },
    ],
    ["tcp79", "tcp82"],
  ],
  ["a named port", [{ port: "web" }], ["tcp80"]],
  ["another named port", [{ port: "admin" }], ["tcp81"]],
  ["a named port of UDP", [{ protocol: "UDP", port: "dns" }], ["udp80"]],
  ["a named port of SCTP", [{ protocol: "SCTP", port: "call" }], ["sctp80"]],
  ["a named port, asked for with another protocol", [{ port: "dns" }], []],
  ["a name no port has", [{ port: "nowhere" }], []],
  ["a name and a number", [{ port: "web" }, { port: 82 }], ["tcp80", "tcp82"]],
  [
    "a name and a range",
    [{ port: "admin" }, { protocol: "UDP", port: 80, endPort: 81 }],
    ["tcp81", "udp80", "udp81"],
  ],
];

const rows = lists.map(([name, ports, open]): TruthRow => {
  const reached = asked.map((way) => [way, open.includes(way) ? all : nobody] as const);
  return {
    name,
    policies: { "x/p": ingress(onPorts(...ports)) },
    reached: Object.fromEntries(reached),
  };
});

truthTable("what of x/a is open, by ports", "to", [
  ...rows,
  {
    name: "peer and port belong together",
    policies: {
      "x/p": ingress(
        { ...from(pod("b")), ...onPorts({ port: 80 }) },
        { ...from(pod("c")), ...onPorts({ port: 81 }) },
      ),
    },
    reached: { tcp80: ["x/b"], tcp81: ["x/c"], tcp82: nobody, udp80: nobody },
  },
  {
    name: "peer and named port belong together",
    policies: {
      "x/p": ingress(
        { ...from(namespace("y")), ...onPorts({ port: "web" }) },
        { ...from(namespace("z")), ...onPorts({ protocol: "UDP", port: "dns" }) },
      ),
    },
    reached: { tcp80: inNamespaces("y"), tcp81: nobody, udp80: inNamespaces("z"), udp81: nobody },
  },
]);
