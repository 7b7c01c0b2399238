/** What an API server demands of an object and does to it before it is stored. */
import type { DeleteOptions } from "../client.ts";
import { ApiError } from "../error.ts";
import { clone } from "../json.ts";
import type { KindNames } from "../kind.ts";
import type { KubernetesObject, ObjectRef } from "../object.ts";
import { describeProblems, type Schema } from "../schema.ts";

export type AnyKind = KindNames & {
  readonly apiVersion: string;
  readonly schema?: Schema<unknown> | undefined;
};

/** How long a pod that runs on a node is given to end, unless it says otherwise. */
const defaultGraceSeconds = 30;

/** As API servers do it: with the status of a built-in kind go its labels and annotations, with that of a custom one nothing. */
export function withStatus(kind: AnyKind, current: Stored, { status, metadata }: Stored): Stored {
  const merged: Stored = { ...clone(current), status };
  if (!isCustom(kind)) {
    for (const field of ["labels", "annotations"] as const) {
      delete merged.metadata[field];
      if (metadata[field]) merged.metadata[field] = metadata[field];
    }
  }
  return merged;
}

/** An object as it lies in the store. */
export type Stored = KubernetesObject & { spec?: Record<string, unknown>; status?: unknown };

/** Objects that hold their defaults already, so that reading needs no second check. */
const sound = new WeakSet<object>();

export function isSound(object: object): boolean {
  return sound.has(object);
}

export function validated(kind: AnyKind, object: KubernetesObject): KubernetesObject {
  const checked = kind.schema?.check(object);
  if (checked === undefined) return object;
  if (checked.ok) {
    sound.add(checked.object as object);
    return checked.object as KubernetesObject;
  }
  throw new ApiError(
    "Invalid",
    `${kind.kind} "${object.metadata.name}" is invalid: ${describeProblems(checked.problems)}`,
  );
}

export function keepServerFields(object: Stored, current: Stored): void {
  const {
    uid,
    creationTimestamp,
    generation,
    resourceVersion,
    deletionTimestamp,
    deletionGracePeriodSeconds,
  } = current.metadata;
  object.apiVersion = current.apiVersion;
  object.kind = current.kind;
  const kept = {
    uid,
    creationTimestamp,
    generation,
    resourceVersion,
    deletionTimestamp,
    deletionGracePeriodSeconds,
  };
  Object.assign(object.metadata, kept);
  for (const key of ["deletionTimestamp", "deletionGracePeriodSeconds"] as const)
    if (object.metadata[key] === undefined) delete object.metadata[key];
}

/** Pods that run on a node end gracefully: whoever plays kubelet deletes them again with grace period 0. */
export function graceOf(kind: AnyKind, object: Stored, options: DeleteOptions): number {
  if (kind.kind !== "Pod" || kind.group !== "") return 0;
  const isRunning = object.spec?.nodeName !== undefined;
  const own = object.spec?.terminationGracePeriodSeconds;
  const asked = options.gracePeriodSeconds ?? (typeof own === "number" ? own : defaultGraceSeconds);
  return isRunning ? asked : 0;
}

export function isCustom(kind: AnyKind): boolean {
  return kind.schema !== undefined || kind.group === "kubevirt.io";
}

export function checkScope(kind: AnyKind, namespace: string | undefined): void {
  if (kind.namespaced && !namespace)
    throw new ApiError("BadRequest", `${kind.plural} are namespaced: name a namespace`);
  if (!kind.namespaced && namespace)
    throw new ApiError("BadRequest", `${kind.plural} are cluster-scoped: leave the namespace out`);
}

export function checkName(kind: AnyKind, name: string): void {
  const isName =
    /^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$/.test(name) && name.length <= 253;
  if (!isName)
    throw new ApiError(
      "Invalid",
      `${kind.kind} "${name}" is invalid: metadata.name: must be a lower-case DNS subdomain of at most 253 characters`,
    );
}

export function conflict(kind: AnyKind, ref: ObjectRef, message: string): ApiError {
  return new ApiError(
    "Conflict",
    `Operation cannot be fulfilled on ${kind.plural} "${ref.name}": ${message}`,
  );
}
