/** What every Kubernetes object carries. Times are RFC 3339 texts, as the API server writes them. */
export interface ObjectMeta {
  name: string;
  generateName?: string;
  /** Absent on cluster-scoped objects. */
  namespace?: string;
  uid?: string;
  /** Opaque; equal texts mean the same revision. */
  resourceVersion?: string;
  generation?: number;
  creationTimestamp?: string;
  /** Set once a deletion was asked for and a finalizer or a grace period still holds the object. */
  deletionTimestamp?: string;
  deletionGracePeriodSeconds?: number;
  labels?: Record<string, string>;
  annotations?: Record<string, string>;
  ownerReferences?: OwnerReference[];
  finalizers?: string[];
  managedFields?: unknown[];
}

/** Who made an object; with `controller: true`, whose business it is. */
export interface OwnerReference {
  apiVersion: string;
  kind: string;
  name: string;
  uid: string;
  controller?: boolean;
  blockOwnerDeletion?: boolean;
}

/** Any object. The types of the kinds extend it. */
export interface KubernetesObject {
  apiVersion: string;
  kind: string;
  metadata: ObjectMeta;
}

/** Which object of a kind. `namespace` is required for namespaced kinds and must be absent for the others. */
export interface ObjectRef {
  readonly name: string;
  readonly namespace?: string | undefined;
}

/** What `create` needs of the metadata: `generateName` may stand in for the name. */
export type DraftMeta = Partial<ObjectMeta> & ({ name: string } | { generateName: string });

/** An object before the server has seen it: `apiVersion` and `kind` come from the registry. */
export type Draft<T> = Omit<T, "apiVersion" | "kind" | "metadata"> & {
  apiVersion?: string;
  kind?: string;
  metadata: DraftMeta;
};

/** One entry of `status.conditions`. */
export interface Condition {
  type: string;
  status: "True" | "False" | "Unknown";
  reason?: string;
  message?: string;
  lastTransitionTime?: string;
  observedGeneration?: number;
}

/** `namespace/name`, or the name alone for cluster-scoped objects. */
export function keyOf(ref: ObjectRef): string {
  return ref.namespace === undefined ? ref.name : `${ref.namespace}/${ref.name}`;
}

/** The owner that controls this object, if any (at most one reference has `controller: true`). */
export function controllerOf(object: { metadata: ObjectMeta }): OwnerReference | undefined {
  return object.metadata.ownerReferences?.find((owner) => owner.controller === true);
}
