import { truthTable } from "./truth-table.ts";
import {
  all,
  anyWay,
  blocks,
  but,
  egress,
  everyPodIn,
  expression,
  ingress,
  inNamespaces,
  namespace,
  nobody,
  onPorts,
  pod,
  pods,
  to,
} from "./vocabulary.ts";

const dns = { ...to(namespace("z")), ...onPorts({ protocol: "UDP", port: 80 }) };

truthTable("whom x/a reaches", "from", [
  { name: "no policy", policies: {}, reached: anyWay(all) },
  {
    name: "a policy for ingress",
    policies: { "x/p": { ...pod("a"), policyTypes: ["Ingress"] } },
    reached: anyWay(all),
  },
  { name: "nothing allowed", policies: { "x/p": egress() }, reached: anyWay(nobody) },
  {
    name: "rules for egress make it an egress policy, too",
    policies: { "x/p": { ...pod("a"), egress: [to(pod("b"))] } },
    reached: anyWay(["x/b"]),
  },
  { name: "an empty rule", policies: { "x/p": egress({}) }, reached: anyWay(all) },
  { name: "pods b", policies: { "x/p": egress(to(pod("b"))) }, reached: anyWay(["x/b"]) },
  {
    name: "namespace y",
    policies: { "x/p": egress(to(namespace("y"))) },
    reached: anyWay(inNamespaces("y")),
  },
  {
    name: "all namespaces, which the world is not",
    policies: { "x/p": egress(to({ namespaceSelector: {} })) },
    reached: anyWay(pods),
  },
  {
    name: "pods a or c of other namespaces",
    policies: {
      "x/p": egress(
        to({
          namespaceSelector: expression("ns", "NotIn", "x"),
          podSelector: expression("pod", "In", "a", "c"),
        }),
      ),
    },
    reached: anyWay(["y/a", "y/c", "z/a", "z/c"]),
  },
  {
    name: "the world only",
    policies: { "x/p": egress(to(...blocks("0.0.0.0/0", "::/0", ["10.0.0.0/8"], ["fd00::/8"]))) },
    reached: anyWay(["world"]),
  },
  {
    name: "everything except the world",
    policies: { "x/p": egress(to(...blocks("0.0.0.0/0", "::/0", ["192.0.2.0/24"], ["2001:db8::/32"]))) },
    reached: anyWay(pods),
  },
  {
    name: "a block with an exception",
    policies: {
      "x/p": egress(to(...blocks("10.65.0.0/24", "fd00:65::/64", ["10.65.0.2/31"], ["fd00:65::2/127"]))),
    },
    reached: anyWay(inNamespaces("y", "z")),
  },
  {
    name: "a port",
    policies: { "x/p": egress(onPorts({ port: 80 })) },
    reached: { tcp80: all, tcp81: nobody, udp80: nobody, sctp80: nobody },
  },
  {
    name: "a range",
    policies: { "x/p": egress(onPorts({ port: 80, endPort: 81 })) },
    reached: { tcp79: nobody, tcp80: all, tcp81: all, tcp82: nobody },
  },
  {
    name: "a named port, which is another number in pods b and none in pods c or the world",
    policies: { "x/p": egress(onPorts({ port: "web" })) },
    reached: {
      tcp80: ["y/a", "z/a"],
      tcp81: ["x/b", "y/b", "z/b"],
      udp80: nobody,
    },
  },
  {
    name: "a named port of some pods",
    policies: { "x/p": egress({ ...to(pod("b"), namespace("y")), ...onPorts({ port: "web" }) }) },
    reached: { tcp80: ["y/a"], tcp81: ["x/b", "y/b"] },
  },
  {
    name: "a named port of UDP",
    policies: { "x/p": egress({ ...to(namespace("z")), ...onPorts({ protocol: "UDP", port: "dns" }) }) },
    reached: { udp80: ["z/a", "z/b"], tcp80: nobody },
  },
  {
    name: "names by UDP, the rest by TCP",
    policies: { "x/p": egress(dns, { ...to({ podSelector: {} }), ...onPorts({ port: 82 }) }) },
    reached: { udp80: inNamespaces("z"), tcp82: inNamespaces("x"), udp82: nobody, sctp82: nobody },
  },
  {
    name: "ingress of the other end has to agree",
    policies: {
      "x/p": egress(to(namespace("y"))),
      "y/p": { ...pod("b"), policyTypes: ["Ingress"], ingress: [{ from: [namespace("z")] }] },
    },
    reached: anyWay(["y/a", "y/c"]),
  },
  {
    name: "ingress of the other end alone",
    policies: { "y/p": everyPodIn({ policyTypes: ["Ingress"] }) },
    reached: anyWay(but(...inNamespaces("y"))),
  },
  {
    name: "both ends allow each other, by name",
    policies: {
      "x/p": egress({ ...to(namespace("y")), ...onPorts({ port: "web" }) }),
      "y/p": everyPodIn({
        policyTypes: ["Ingress"],
        ingress: [{ from: [namespace("x")], ...onPorts({ port: "web" }) }],
      }),
    },
    reached: { tcp80: ["y/a"], tcp81: ["y/b"], udp80: nobody },
  },
  {
    name: "its own ingress policy is nothing to its answers",
    policies: { "x/p": ingress(), "x/q": egress(to(namespace("y"))) },
    reached: anyWay(inNamespaces("y")),
  },
]);
