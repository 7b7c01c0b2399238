import { type Json, listAt, numberAt, objectAt, stringAt } from "../json.ts";
import type { Column } from "../kinds/resource.ts";
import type { KubeObject } from "../objects.ts";
import { age } from "./cell.ts";
import { nodeColumns } from "./nodes.ts";
import { podColumns } from "./pods.ts";

type Cell = NonNullable<Column["cell"]>;

const name: Column = { name: "Name", type: "string", format: "name", jsonPath: ".metadata.name" };
const ageColumn: Column = {
  name: "Age",
  type: "string",
  cell: (object, now) => age(object.metadata.creationTimestamp, now),
};
const text = (title: string, cell: Cell, priority = 0): Column => ({
  name: title,
  type: "string",
  priority,
  cell,
});
const whole = (title: string, cell: Cell): Column => ({ name: title, type: "integer", cell });
const path = (title: string, jsonPath: string, priority = 0): Column => ({
  name: title,
  type: "string",
  priority,
  jsonPath,
});

export const defaultColumns: readonly Column[] = [name, ageColumn];

const count = (value: Json | undefined): number =>
  value && typeof value === "object" ? Object.keys(value).length : 0;
const orNone = (values: readonly unknown[]): string => (values.length === 0 ? "<none>" : values.join(","));

const selectorText = (object: KubeObject, ...at: string[]): string =>
  orNone(Object.entries(objectAt(object, ...at) ?? {}).map(([key, value]) => `${key}=${String(value)}`));

const containers =
  (field: string): Cell =>
  (object) =>
    listAt(object, "spec", "template", "spec", "containers")
      .map((c) => stringAt(c, field))
      .join(",");

const replicas =
  (field: string): Cell =>
  (object) =>
    numberAt(object, "status", field) ?? 0;

const workloadWide: readonly Column[] = [
  text("Containers", containers("name"), 1),
  text("Images", containers("image"), 1),
  text("Selector", (o) => selectorText(o, "spec", "selector", "matchLabels"), 1),
];

const ports: Cell = (object) =>
  orNone(
    listAt(object, "spec", "ports").map((port) => {
      const nodePort = numberAt(port, "nodePort");
      return `${numberAt(port, "port")}${nodePort ? `:${nodePort}` : ""}/${stringAt(port, "protocol") ?? "TCP"}`;
    }),
  );

const subjects =
  (kind: string): Cell =>
  (object) =>
    listAt(object, "subjects")
      .filter((s) => stringAt(s, "kind") === kind)
      .map((s) =>
        kind === "ServiceAccount"
          ? `${stringAt(s, "namespace")}/${stringAt(s, "name")}`
          : stringAt(s, "name"),
      )
      .join(", ");

const bindingColumns: readonly Column[] = [
  name,
  text("Role", (o) => `${stringAt(o, "roleRef", "kind")}/${stringAt(o, "roleRef", "name")}`),
  ageColumn,
  text("Users", subjects("User"), 1),
  text("Groups", subjects("Group"), 1),
  text("ServiceAccounts", subjects("ServiceAccount"), 1),
];
const roleColumns: readonly Column[] = [name, path("Created At", ".metadata.creationTimestamp")];

const eventColumns = (involved: string): readonly Column[] => [
  text("Last Seen", (o, now) =>
    age(stringAt(o, "lastTimestamp") ?? stringAt(o, "eventTime") ?? o.metadata.creationTimestamp, now),
  ),
  path("Type", ".type"),
  path("Reason", ".reason"),
  text(
    "Object",
    (o) => `${(stringAt(o, involved, "kind") ?? "").toLowerCase()}/${stringAt(o, involved, "name") ?? ""}`,
  ),
  path("Subobject", `.${involved}.fieldPath`, 1),
  text(
    "Source",
    (o) =>
      stringAt(o, "source", "component") ??
      stringAt(o, "reportingComponent") ??
      stringAt(o, "reportingController") ??
      "",
    1,
  ),
  text("Message", (o) => (stringAt(o, "message") ?? stringAt(o, "note") ?? "").trim()),
  text(
    "First Seen",
    (o, now) =>
      age(stringAt(o, "firstTimestamp") ?? stringAt(o, "eventTime") ?? o.metadata.creationTimestamp, now),
    1,
  ),
  text("Count", (o) => String(numberAt(o, "count") ?? 1), 1),
  { ...name, priority: 1 },
];

const addresses: Cell = (object) => {
  const all = listAt(object, "subsets").flatMap((subset) =>
    listAt(subset, "addresses").flatMap((a) =>
      listAt(subset, "ports").map((p) => `${stringAt(a, "ip")}:${numberAt(p, "port")}`),
    ),
  );
  return all.length > 3 ? `${all.slice(0, 3).join(",")} + ${all.length - 3} more...` : orNone(all);
};

/** What `kubectl get` shows of built-in kinds, by `group/kind`. */
export const builtinColumns: { readonly [groupKind: string]: readonly Column[] } = {
  "/Pod": podColumns,
  "/Node": nodeColumns,
  "/Namespace": [name, path("Status", ".status.phase"), ageColumn],
  "/ConfigMap": [name, text("Data", (o) => String(count(o.data) + count(o.binaryData))), ageColumn],
  "/Secret": [name, path("Type", ".type"), text("Data", (o) => String(count(o.data))), ageColumn],
  "/ServiceAccount": [name, text("Secrets", (o) => String(listAt(o, "secrets").length)), ageColumn],
  "/Service": [
    name,
    path("Type", ".spec.type"),
    text("Cluster-IP", (o) => stringAt(o, "spec", "clusterIP") ?? "<none>"),
    text("External-IP", (o) => orNone(listAt(o, "spec", "externalIPs"))),
    text("Port(s)", ports),
    ageColumn,
    text("Selector", (o) => selectorText(o, "spec", "selector"), 1),
  ],
  "/Endpoints": [name, text("Endpoints", addresses), ageColumn],
  "/Event": eventColumns("involvedObject"),
  "events.k8s.io/Event": eventColumns("regarding"),
  "apps/Deployment": [
    name,
    text(
      "Ready",
      (o) => `${numberAt(o, "status", "readyReplicas") ?? 0}/${numberAt(o, "spec", "replicas") ?? 1}`,
    ),
    whole("Up-to-date", replicas("updatedReplicas")),
    whole("Available", replicas("availableReplicas")),
    ageColumn,
    ...workloadWide,
  ],
  "apps/ReplicaSet": [
    name,
    whole("Desired", (o) => numberAt(o, "spec", "replicas") ?? 1),
    whole("Current", replicas("replicas")),
    whole("Ready", replicas("readyReplicas")),
    ageColumn,
    ...workloadWide,
  ],
  "apps/DaemonSet": [
    name,
    whole("Desired", replicas("desiredNumberScheduled")),
    whole("Current", replicas("currentNumberScheduled")),
    whole("Ready", replicas("numberReady")),
    whole("Up-to-date", replicas("updatedNumberScheduled")),
    whole("Available", replicas("numberAvailable")),
    text("Node Selector", (o) => selectorText(o, "spec", "template", "spec", "nodeSelector")),
    ageColumn,
    ...workloadWide,
  ],
  "coordination.k8s.io/Lease": [name, path("Holder", ".spec.holderIdentity"), ageColumn],
  "discovery.k8s.io/EndpointSlice": [
    name,
    path("AddressType", ".addressType"),
    text("Ports", (o) => orNone(listAt(o, "ports").map((p) => numberAt(p, "port")))),
    text("Endpoints", (o) => orNone(listAt(o, "endpoints").flatMap((e) => listAt(e, "addresses")))),
    ageColumn,
  ],
  "networking.k8s.io/NetworkPolicy": [
    name,
    text("Pod-Selector", (o) => selectorText(o, "spec", "podSelector", "matchLabels")),
    ageColumn,
  ],
  "policy/PodDisruptionBudget": [
    name,
    text("Min Available", (o) => String(objectAt(o, "spec")?.minAvailable ?? "N/A")),
    text("Max Unavailable", (o) => String(objectAt(o, "spec")?.maxUnavailable ?? "N/A")),
    whole("Allowed Disruptions", replicas("disruptionsAllowed")),
    ageColumn,
  ],
  "rbac.authorization.k8s.io/Role": roleColumns,
  "rbac.authorization.k8s.io/ClusterRole": roleColumns,
  "rbac.authorization.k8s.io/RoleBinding": bindingColumns,
  "rbac.authorization.k8s.io/ClusterRoleBinding": bindingColumns,
  "apiextensions.k8s.io/CustomResourceDefinition": [name, path("Created At", ".metadata.creationTimestamp")],
  "scheduling.k8s.io/PriorityClass": [
    name,
    { name: "Value", type: "integer", jsonPath: ".value" },
    text("Global-Default", (o) => String(o.globalDefault ?? false)),
    ageColumn,
  ],
};
