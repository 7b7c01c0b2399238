import { isObject, type Json, listAt, objectAt, stringAt } from "../apiserver/json.ts";
import type { KubeObject } from "../apiserver/objects.ts";
import { matchLabelSelector } from "../apiserver/selectors/labels.ts";
import { type Taint, taintsOf, tolerates } from "./node-taints.ts";

export type Decision =
  | { readonly node: string }
  /** How many nodes each obstacle ruled out, as the scheduler words it. */
  | { readonly message: string };

/** Where a pod goes: the node with the fewest pods among those that its constraints allow. */
export function chooseNode(
  pod: KubeObject,
  nodes: readonly KubeObject[],
  pods: readonly KubeObject[],
): Decision {
  const obstacles = new Map<string, number>();
  const fits = nodes.filter((node) => {
    const obstacle = obstacleOn(pod, node, nodes, pods);
    if (obstacle) obstacles.set(obstacle, (obstacles.get(obstacle) ?? 0) + 1);
    return obstacle === undefined;
  });
  if (fits.length === 0) {
    const reasons = [...obstacles].map(([reason, count]) => `${count} ${reason}`).sort();
    return {
      message: `0/${nodes.length} nodes are available${reasons.length > 0 ? `: ${reasons.join(", ")}` : ""}.`,
    };
  }
  const load = (node: KubeObject): number =>
    pods.filter((p) => stringAt(p, "spec", "nodeName") === node.metadata.name && isActive(p)).length;
  const best = fits
    .map((node) => ({ name: node.metadata.name, load: load(node) }))
    .sort((a, b) => a.load - b.load || (a.name < b.name ? -1 : 1))[0]!;
  return { node: best.name };
}

const isActive = (pod: KubeObject): boolean =>
  !["Succeeded", "Failed"].includes(stringAt(pod, "status", "phase") ?? "");

function obstacleOn(
  pod: KubeObject,
  node: KubeObject,
  nodes: readonly KubeObject[],
  pods: readonly KubeObject[],
): string | undefined {
  const labels = node.metadata.labels ?? {};
  const tolerations = listAt(pod, "spec", "tolerations").filter(isObject);
  const isTolerated = (taint: Pick<Taint, "key" | "effect" | "value">) =>
    tolerations.some((toleration) => tolerates(toleration, taint));
  if (
    objectAt(node, "spec")?.unschedulable === true &&
    !isTolerated({ key: "node.kubernetes.io/unschedulable", effect: "NoSchedule" })
  )
    return "node(s) were unschedulable";
  const ready = listAt(node, "status", "conditions").find((c) => stringAt(c, "type") === "Ready");
  if (ready !== undefined && stringAt(ready, "status") !== "True") return "node(s) were not ready";
  for (const taint of taintsOf(node))
    if (taint.effect !== "PreferNoSchedule" && !isTolerated(taint))
      return `node(s) had untolerated taint {${taint.key}: ${taint.value ?? ""}}`;
  const selector = objectAt(pod, "spec", "nodeSelector") ?? {};
  if (
    Object.entries(selector).some(([key, value]) => labels[key] !== value) ||
    !matchesNodeAffinity(pod, node)
  )
    return "node(s) didn't match Pod's node affinity/selector";
  if (breaksAntiAffinity(pod, node, nodes, pods)) return "node(s) didn't match pod anti-affinity rules";
  return undefined;
}

function matchesNodeAffinity(pod: KubeObject, node: KubeObject): boolean {
  const required = objectAt(
    pod,
    "spec",
    "affinity",
    "nodeAffinity",
    "requiredDuringSchedulingIgnoredDuringExecution",
  );
  if (!required) return true;
  const labels = node.metadata.labels ?? {};
  return listAt(required, "nodeSelectorTerms").some((term) => {
    const byLabel = listAt(term, "matchExpressions");
    const byField = listAt(term, "matchFields");
    if (byLabel.length + byField.length === 0) return false;
    return (
      byLabel.every((e) => matchesExpression(e, labels)) &&
      byField.every((e) => matchesExpression(e, { "metadata.name": node.metadata.name }))
    );
  });
}

function matchesExpression(expression: Json, labels: { readonly [key: string]: string }): boolean {
  const value = labels[stringAt(expression, "key") ?? ""];
  const values = listAt(expression, "values");
  switch (stringAt(expression, "operator")) {
    case "Gt":
      return Number(value) > Number(values[0]);
    case "Lt":
      return Number(value) < Number(values[0]);
    default:
      return matchLabelSelector({ matchExpressions: [expression] })(labels);
  }
}

/** Required anti-affinity, of the pod against those running and of those running against the pod. */
function breaksAntiAffinity(
  pod: KubeObject,
  node: KubeObject,
  nodes: readonly KubeObject[],
  pods: readonly KubeObject[],
): boolean {
  const terms = (p: KubeObject): Json[] =>
    listAt(p, "spec", "affinity", "podAntiAffinity", "requiredDuringSchedulingIgnoredDuringExecution");
  const forbids = (term: Json, of: KubeObject, other: KubeObject): boolean => {
    const namespaces = listAt(term, "namespaces");
    const inScope =
      namespaces.length > 0
        ? namespaces.includes(other.metadata.namespace ?? "")
        : other.metadata.namespace === of.metadata.namespace;
    return inScope && matchLabelSelector(objectAt(term, "labelSelector"))(other.metadata.labels ?? {});
  };
  return pods.filter(isActive).some((other) => {
    if (other.metadata.uid === pod.metadata.uid) return false;
    const place = nodes.find((n) => n.metadata.name === stringAt(other, "spec", "nodeName"));
    if (!place) return false;
    const near = (term: Json): boolean => {
      const key = stringAt(term, "topologyKey") ?? "";
      const here = node.metadata.labels?.[key];
      return here !== undefined && here === place.metadata.labels?.[key];
    };
    return (
      terms(pod).some((term) => near(term) && forbids(term, pod, other)) ||
      terms(other).some((term) => near(term) && forbids(term, other, pod))
    );
  });
}
