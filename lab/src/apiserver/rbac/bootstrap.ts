import type { JsonObject } from "../json.ts";

const rbac = "rbac.authorization.k8s.io";
const label = { "kubernetes.io/bootstrapping": "rbac-defaults" };
const read = ["get", "list", "watch"];
const write = ["create", "delete", "deletecollection", "patch", "update"];
const all = ["*"];

const rule = (apiGroups: string[], resources: string[], verbs: string[]): JsonObject => ({
  apiGroups,
  resources,
  verbs,
});
const paths = (...nonResourceURLs: string[]): JsonObject => ({ nonResourceURLs, verbs: ["get"] });

const workloads = [
  rule(
    [""],
    ["configmaps", "endpoints", "persistentvolumeclaims", "pods", "services", "serviceaccounts"],
    read,
  ),
  rule(
    [""],
    ["bindings", "events", "limitranges", "namespaces", "pods/log", "pods/status", "resourcequotas"],
    read,
  ),
  rule(
    ["apps"],
    ["daemonsets", "deployments", "deployments/scale", "replicasets", "replicasets/scale"],
    read,
  ),
  rule(["discovery.k8s.io"], ["endpointslices"], read),
  rule(["networking.k8s.io"], ["networkpolicies"], read),
  rule(["policy"], ["poddisruptionbudgets"], read),
];
const workloadWrites = [
  rule([""], ["pods/attach", "pods/exec", "pods/portforward", "pods/proxy", "secrets"], [...read, ...write]),
  rule(
    [""],
    ["configmaps", "persistentvolumeclaims", "pods", "services", "serviceaccounts", "events"],
    write,
  ),
  rule([""], ["pods/eviction", "serviceaccounts/token"], ["create"]),
  rule(
    ["apps"],
    [
      "daemonsets",
      "deployments",
      "deployments/rollback",
      "deployments/scale",
      "replicasets",
      "replicasets/scale",
    ],
    write,
  ),
  rule(["coordination.k8s.io"], ["leases"], [...read, ...write]),
  rule(["networking.k8s.io"], ["networkpolicies"], write),
  rule(["policy"], ["poddisruptionbudgets"], write),
];
const roleWrites = [
  rule([rbac], ["roles", "rolebindings"], [...read, ...write]),
  rule(["authorization.k8s.io"], ["localsubjectaccessreviews"], ["create"]),
];
const nodeRules = [
  rule(["authentication.k8s.io"], ["tokenreviews"], ["create"]),
  rule(["authorization.k8s.io"], ["subjectaccessreviews", "localsubjectaccessreviews"], ["create"]),
  rule([""], ["services", "namespaces", "configmaps", "secrets", "persistentvolumeclaims"], read),
  rule([""], ["nodes"], ["create", ...read, "update", "patch"]),
  rule([""], ["nodes/status", "pods/status"], ["patch", "update"]),
  rule([""], ["events"], ["create", "patch", "update"]),
  rule([""], ["pods"], [...read, "create", "delete"]),
  rule([""], ["pods/eviction", "serviceaccounts/token"], ["create"]),
  rule(["coordination.k8s.io"], ["leases"], ["create", "delete", "get", "patch", "update"]),
];

interface BootstrapRole {
  readonly rules: readonly JsonObject[];
  readonly groups?: readonly string[];
  readonly users?: readonly string[];
  readonly aggregateTo?: string;
}

/** The default ClusterRoles of a real cluster that a lab needs, and who has them. */
const roles: { readonly [name: string]: BootstrapRole } = {
  "cluster-admin": {
    rules: [rule(all, all, all), { nonResourceURLs: ["*"], verbs: ["*"] }],
    groups: ["system:masters"],
  },
  admin: { rules: [...workloads, ...workloadWrites, ...roleWrites] },
  edit: { rules: [...workloads, ...workloadWrites], aggregateTo: "admin" },
  view: { rules: workloads, aggregateTo: "edit" },
  "system:basic-user": {
    rules: [
      rule(["authorization.k8s.io"], ["selfsubjectaccessreviews", "selfsubjectrulesreviews"], ["create"]),
      rule(["authentication.k8s.io"], ["selfsubjectreviews"], ["create"]),
    ],
    groups: ["system:authenticated"],
  },
  "system:discovery": {
    rules: [
      paths(
        "/api",
        "/api/*",
        "/apis",
        "/apis/*",
        "/healthz",
        "/livez",
        "/openapi",
        "/openapi/*",
        "/readyz",
        "/version",
        "/version/",
      ),
    ],
    groups: ["system:authenticated"],
  },
  "system:public-info-viewer": {
    rules: [paths("/healthz", "/livez", "/readyz", "/version", "/version/")],
    groups: ["system:authenticated", "system:unauthenticated"],
  },
  "system:node": { rules: nodeRules, groups: ["system:nodes"] },
  "system:kube-scheduler": {
    rules: [
      rule([""], ["pods", "nodes", "namespaces"], read),
      rule([""], ["pods/binding", "bindings"], ["create"]),
      rule([""], ["pods/status"], ["patch", "update"]),
      rule(["", "events.k8s.io"], ["events"], ["create", "patch", "update"]),
    ],
    users: ["system:kube-scheduler"],
  },
  "system:kube-controller-manager": {
    rules: [rule(all, all, all)],
    users: ["system:kube-controller-manager"],
  },
  "system:auth-delegator": {
    rules: [
      rule(["authentication.k8s.io"], ["tokenreviews"], ["create"]),
      rule(["authorization.k8s.io"], ["subjectaccessreviews"], ["create"]),
    ],
  },
};

/** ClusterRoles and ClusterRoleBindings as objects. */
export function bootstrapRbac(): JsonObject[] {
  const objects: JsonObject[] = [];
  for (const [name, role] of Object.entries(roles)) {
    const labels = role.aggregateTo
      ? { ...label, [`${rbac}/aggregate-to-${role.aggregateTo}`]: "true" }
      : label;
    const aggregated = name === "admin" || name === "edit";
    objects.push({
      apiVersion: `${rbac}/v1`,
      kind: "ClusterRole",
      metadata: { name, labels },
      rules: structuredClone(role.rules) as JsonObject[],
      ...(aggregated
        ? {
            aggregationRule: {
              clusterRoleSelectors: [{ matchLabels: { [`${rbac}/aggregate-to-${name}`]: "true" } }],
            },
          }
        : {}),
    });
    const subjects = [
      ...(role.groups ?? []).map((group) => ({ kind: "Group", apiGroup: rbac, name: group })),
      ...(role.users ?? []).map((user) => ({ kind: "User", apiGroup: rbac, name: user })),
    ];
    if (subjects.length > 0)
      objects.push({
        apiVersion: `${rbac}/v1`,
        kind: "ClusterRoleBinding",
        metadata: { name, labels: label },
        roleRef: { apiGroup: rbac, kind: "ClusterRole", name },
        subjects,
      });
  }
  return objects;
}
