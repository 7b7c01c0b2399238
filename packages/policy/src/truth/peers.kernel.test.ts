import { truthTable } from "./truth-table.ts";
import {
  all,
  anyWay,
  everyPodIn,
  expression,
  from,
  ingress,
  inNamespaces,
  namespace,
  nobody,
  pod,
  pods,
} from "./vocabulary.ts";

const podsWhere = (...rule: Parameters<typeof expression>) => ({ podSelector: expression(...rule) });
const namespacesWhere = (...rule: Parameters<typeof expression>) => ({
  namespaceSelector: expression(...rule),
});

truthTable("who reaches x/a, by peers", "to", [
  { name: "no policy", policies: {}, reached: anyWay(all) },
  {
    name: "a policy of another namespace",
    policies: { "y/p": everyPodIn({ policyTypes: ["Ingress"] }) },
    reached: anyWay(all),
  },
  {
    name: "a policy for other pods",
    policies: { "x/p": { ...pod("b"), policyTypes: ["Ingress"] } },
    reached: anyWay(all),
  },
  {
    name: "nothing allowed",
    policies: { "x/p": everyPodIn({ policyTypes: ["Ingress"] }) },
    reached: anyWay(nobody),
  },
  { name: "types default to ingress", policies: { "x/p": everyPodIn({}) }, reached: anyWay(nobody) },
  { name: "an empty rule allows all", policies: { "x/p": ingress({}) }, reached: anyWay(all) },
  {
    name: "no peers, no ports: all",
    policies: { "x/p": ingress({ from: [], ports: [] }) },
    reached: anyWay(all),
  },
  { name: "pods b", policies: { "x/p": ingress(from(pod("b"))) }, reached: anyWay(["x/b"]) },
  {
    name: "every pod of the namespace",
    policies: { "x/p": ingress(from({ podSelector: {} })) },
    reached: anyWay(inNamespaces("x")),
  },
  { name: "pods nobody is", policies: { "x/p": ingress(from(pod("d"))) }, reached: anyWay(nobody) },
  {
    name: "namespace y",
    policies: { "x/p": ingress(from(namespace("y"))) },
    reached: anyWay(inNamespaces("y")),
  },
  {
    name: "a namespace there is not",
    policies: { "x/p": ingress(from(namespace("w"))) },
    reached: anyWay(nobody),
  },
  {
    name: "all namespaces, which the world is not",
    policies: { "x/p": ingress(from({ namespaceSelector: {} })) },
    reached: anyWay(pods),
  },
  {
    name: "pods b of namespace y",
    policies: { "x/p": ingress(from({ ...namespace("y"), ...pod("b") })) },
    reached: anyWay(["y/b"]),
  },
  {
    name: "pods b of all namespaces",
    policies: { "x/p": ingress(from({ namespaceSelector: {}, ...pod("b") })) },
    reached: anyWay(["x/b", "y/b", "z/b"]),
  },
  {
    name: "pods b, or namespace y",
    policies: { "x/p": ingress(from(pod("b"), namespace("y"))) },
    reached: anyWay(["x/b", ...inNamespaces("y")]),
  },
  {
    name: "two rules add up",
    policies: { "x/p": ingress(from(pod("c")), from(namespace("z"))) },
    reached: anyWay(["x/c", ...inNamespaces("z")]),
  },
  {
    name: "pods in a list",
    policies: { "x/p": ingress(from(podsWhere("pod", "In", "b", "c"))) },
    reached: anyWay(["x/b", "x/c"]),
  },
  {
    name: "pods not in a list",
    policies: { "x/p": ingress(from(podsWhere("pod", "NotIn", "b"))) },
    reached: anyWay(["x/c"]),
  },
  {
    name: "pods with a label",
    policies: { "x/p": ingress(from(podsWhere("pod", "Exists"))) },
    reached: anyWay(["x/b", "x/c"]),
  },
  {
    name: "pods with a label nobody has",
    policies: { "x/p": ingress(from(podsWhere("nothing", "Exists"))) },
    reached: anyWay(nobody),
  },
  {
    name: "pods without a label nobody has",
    policies: { "x/p": ingress(from(podsWhere("nothing", "DoesNotExist"))) },
    reached: anyWay(["x/b", "x/c"]),
  },
  {
    name: "not in a list, of a label nobody has",
    policies: { "x/p": ingress(from(podsWhere("nothing", "NotIn", "b"))) },
    reached: anyWay(["x/b", "x/c"]),
  },
  {
    name: "namespaces in a list",
    policies: { "x/p": ingress(from(namespacesWhere("ns", "In", "y", "z"))) },
    reached: anyWay(inNamespaces("y", "z")),
  },
  {
    name: "namespaces not in a list",
    policies: { "x/p": ingress(from(namespacesWhere("ns", "NotIn", "x"))) },
    reached: anyWay(inNamespaces("y", "z")),
  },
  {
    name: "namespaces without a label",
    policies: { "x/p": ingress(from(namespacesWhere("ns", "DoesNotExist"))) },
    reached: anyWay(nobody),
  },
  {
    name: "pods by one expression in namespaces by another",
    policies: {
      "x/p": ingress(from({ ...namespacesWhere("ns", "NotIn", "x"), ...podsWhere("pod", "In", "a", "c") })),
    },
    reached: anyWay(["y/a", "y/c", "z/a", "z/c"]),
  },
  {
    name: "labels and expressions hold together",
    policies: {
      "x/p": ingress(
        from({
          namespaceSelector: {},
          podSelector: { matchLabels: { pod: "b" }, ...expression("pod", "NotIn", "c") },
        }),
      ),
    },
    reached: anyWay(["x/b", "y/b", "z/b"]),
  },
]);
