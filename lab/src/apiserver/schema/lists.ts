import type { Schema } from "./schema.ts";

/** How the items of a list are told apart when two writers change it. Atomic lists are not named here. */
const map = (keys: string[], mergeKey = keys[0], strategy = "merge"): Schema => ({
  "x-kubernetes-list-type": "map",
  "x-kubernetes-list-map-keys": keys,
  "x-kubernetes-patch-strategy": strategy,
  "x-kubernetes-patch-merge-key": mergeKey!,
});
const mergedBy = (key: string): Schema => ({
  "x-kubernetes-patch-strategy": "merge",
  "x-kubernetes-patch-merge-key": key,
});
const set: Schema = { "x-kubernetes-list-type": "set", "x-kubernetes-patch-strategy": "merge" };
const atomicMap: Schema = { "x-kubernetes-map-type": "atomic" };
const byName = map(["name"]);
const byType = map(["type"]);

const container = {
  ports: map(["containerPort", "protocol"]),
  env: byName,
  volumeMounts: map(["mountPath"]),
  volumeDevices: map(["devicePath"]),
};
const conditions = { conditions: byType };
const matchConditions = { matchConditions: byName };

/** Per model and field of the Kubernetes API: list and map semantics for server-side apply and strategic merge. */
export const listSemantics: { readonly [model: string]: { readonly [field: string]: Schema } } = {
  V1ObjectMeta: { finalizers: set, ownerReferences: map(["uid"]) },
  V1PodSpec: {
    volumes: map(["name"], "name", "merge,retainKeys"),
    initContainers: byName,
    containers: byName,
    ephemeralContainers: byName,
    imagePullSecrets: byName,
    hostAliases: map(["ip"]),
    topologySpreadConstraints: map(["topologyKey", "whenUnsatisfiable"]),
    schedulingGates: byName,
    resourceClaims: map(["name"], "name", "merge,retainKeys"),
    nodeSelector: atomicMap,
  },
  V1Container: container,
  V1EphemeralContainer: container,
  V1PodStatus: { conditions: byType, podIPs: map(["ip"]) },
  V1NodeSpec: { podCIDRs: set },
  // A node has an address of the same type per family: merged by type, but not unique.
  V1NodeStatus: { conditions: byType, addresses: mergedBy("type") },
  V1NamespaceStatus: conditions,
  V1ServiceSpec: { ports: map(["port", "protocol"]), selector: atomicMap },
  V1ServiceStatus: conditions,
  V1ServiceAccount: { secrets: byName },
  V1DeploymentSpec: { strategy: { "x-kubernetes-patch-strategy": "retainKeys" } },
  V1DeploymentStatus: conditions,
  V1DaemonSetStatus: conditions,
  V1ReplicaSetStatus: conditions,
  V1Endpoint: { addresses: { "x-kubernetes-list-type": "set" } },
  V1PodDisruptionBudgetStatus: conditions,
  V1CustomResourceDefinitionStatus: { conditions: map(["type"]) },
  V1APIServiceStatus: conditions,
  V1ValidatingWebhookConfiguration: { webhooks: byName },
  V1MutatingWebhookConfiguration: { webhooks: byName },
  V1ValidatingWebhook: matchConditions,
  V1MutatingWebhook: matchConditions,
  V1ValidatingAdmissionPolicySpec: { matchConditions: byName, variables: byName },
};

/** Models that one writer owns as a whole. */
export const atomicModels: ReadonlySet<string> = new Set([
  "V1LabelSelector",
  "V1LocalObjectReference",
  "V1ObjectReference",
  "CoreV1ObjectReference",
  "V1TypedLocalObjectReference",
  "V1SecretKeySelector",
  "V1ConfigMapKeySelector",
  "V1ObjectFieldSelector",
  "V1ResourceFieldSelector",
  "V1NodeSelector",
  "V1NodeSelectorTerm",
  "V1ScopeSelector",
  "V1SecretReference",
  "V1RoleRef",
  "RbacV1Subject",
]);
