import { truthTable } from "./truth-table.ts";
import {
  all,
  anyWay,
  blocks,
  but,
  everyPodIn,
  from,
  ingress,
  inNamespaces,
  namespace,
  nobody,
  onPorts,
  pod,
  pods,
  to,
} from "./vocabulary.ts";

const denyAll = everyPodIn({ policyTypes: ["Ingress", "Egress"] });

truthTable("who reaches x/a, where policies meet", "to", [
  {
    name: "two policies add up",
    policies: { "x/p": ingress(from(pod("c"))), "x/q": ingress(from(namespace("z"))) },
    reached: anyWay(["x/c", ...inNamespaces("z")]),
  },
  {
    name: "deny all and allow some: the allowance wins",
    policies: { "x/deny": denyAll, "x/q": ingress(from(namespace("y"))) },
    reached: anyWay(inNamespaces("y")),
  },
  {
    name: "deny all and allow all",
    policies: { "x/deny": denyAll, "x/q": ingress({}) },
    reached: anyWay(["y", "z"].flatMap((name) => inNamespaces(name)).concat("world")),
  },
  {
    name: "deny all at both ends, allowed at one",
    policies: { "x/deny": denyAll, "y/deny": denyAll, "x/q": ingress(from(namespace("y"))) },
    reached: anyWay(nobody),
  },
  {
    name: "deny all at both ends, allowed at both",
    policies: {
      "x/deny": denyAll,
      "y/deny": denyAll,
      "x/q": ingress(from(namespace("y"))),
      "y/q": everyPodIn({ policyTypes: ["Egress"], egress: [to(namespace("x"))] }),
    },
    reached: anyWay(inNamespaces("y")),
  },
  {
    name: "two policies for one port, other peers",
    policies: {
      "x/p": ingress({ ...from(pod("b")), ...onPorts({ port: 80 }) }),
      "x/q": ingress({ ...from(pod("c")), ...onPorts({ port: 80 }, { port: 81 }) }),
    },
    reached: { tcp80: ["x/b", "x/c"], tcp81: ["x/c"], udp80: nobody },
  },
  {
    name: "all peers in one, all ports in the other",
    policies: {
      "x/p": ingress(onPorts({ port: 80 })),
      "x/q": ingress(from(namespace("z"))),
    },
    reached: { tcp80: all, tcp81: inNamespaces("z"), udp80: inNamespaces("z"), sctp81: inNamespaces("z") },
  },
  {
    name: "an exception in one policy, the network in another",
    policies: {
      "x/p": ingress(from(...blocks("10.65.0.0/24", "fd00:65::/64", ["10.65.0.4/30"], ["fd00:65::4/126"]))),
      "x/q": ingress(from(namespace("y"))),
    },
    reached: anyWay(pods.filter((key) => key !== "z/a")),
  },
  {
    name: "the same rule twice",
    policies: { "x/p": ingress(from(pod("b")), from(pod("b"))), "x/q": ingress(from(pod("b"))) },
    reached: anyWay(["x/b"]),
  },
  {
    name: "the same name in another namespace is another policy",
    policies: { "x/p": ingress(from(pod("b"))), "y/p": ingress({}) },
    reached: anyWay(["x/b"]),
  },
  {
    name: "egress alone leaves ingress open",
    policies: { "x/p": { ...pod("a"), policyTypes: ["Egress"] } },
    reached: anyWay(all),
  },
  {
    name: "senders that may send nothing",
    policies: { "y/p": everyPodIn({ policyTypes: ["Egress"] }) },
    reached: anyWay(but(...inNamespaces("y"))),
  },
  {
    name: "senders that may reach pods a anywhere",
    policies: {
      "y/p": everyPodIn({ policyTypes: ["Egress"], egress: [to({ namespaceSelector: {}, ...pod("a") })] }),
    },
    reached: anyWay(all),
  },
  {
    name: "senders that may reach pods b",
    policies: {
      "y/p": everyPodIn({ policyTypes: ["Egress"], egress: [to({ namespaceSelector: {}, ...pod("b") })] }),
    },
    reached: anyWay(but(...inNamespaces("y"))),
  },
  {
    name: "senders that may use a port",
    policies: { "y/p": everyPodIn({ policyTypes: ["Egress"], egress: [onPorts({ port: 81 })] }) },
    reached: { tcp81: all, tcp80: but(...inNamespaces("y")), udp81: but(...inNamespaces("y")) },
  },
  {
    name: "senders that may use a named port",
    policies: { "y/p": everyPodIn({ policyTypes: ["Egress"], egress: [onPorts({ port: "web" })] }) },
    reached: { tcp80: all, tcp81: but(...inNamespaces("y")) },
  },
  {
    name: "egress of the sender and ingress of the receiver have to agree",
    policies: {
      "y/p": everyPodIn({ policyTypes: ["Egress"], egress: [{}] }),
      "x/p": ingress(from(pod("b"))),
    },
    reached: anyWay(["x/b"]),
  },
]);
