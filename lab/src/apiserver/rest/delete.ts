import { isObject, type Json } from "../json.ts";
import type { KubeObject } from "../objects.ts";
import { conflict } from "../status.ts";
import { Stored } from "../storage/change.ts";
import { type Api, type Call, keyOf } from "./api.ts";
import { finishDeletion, hasSpecFinalizers } from "./finish.ts";
import { requireStored } from "./stored.ts";

/** metav1.DeleteOptions. */
export interface DeleteOptions {
  readonly gracePeriodSeconds?: number;
  readonly propagation?: "Background" | "Foreground" | "Orphan";
  readonly uid?: string;
  readonly resourceVersion?: string;
}

export function parseDeleteOptions(body: Json | undefined, query: URLSearchParams): DeleteOptions {
  const given = isObject(body) ? body : {};
  const grace = given.gracePeriodSeconds ?? query.get("gracePeriodSeconds");
  const orphan = given.orphanDependents ?? query.get("orphanDependents");
  const propagation =
    given.propagationPolicy ??
    query.get("propagationPolicy") ??
    (orphan === true || orphan === "true" ? "Orphan" : undefined);
  const preconditions = isObject(given.preconditions) ? given.preconditions : {};
  return {
    ...(grace === null || grace === undefined ? {} : { gracePeriodSeconds: Number(grace) }),
    ...(propagation ? { propagation: propagation as "Background" } : {}),
    ...(typeof preconditions.uid === "string" ? { uid: preconditions.uid } : {}),
    ...(typeof preconditions.resourceVersion === "string"
      ? { resourceVersion: preconditions.resourceVersion }
      : {}),
  };
}

/** The result of a deletion: gone, or marked and waiting for finalizers or for the grace period to be used. */
export interface Deletion {
  readonly stored: Stored;
  readonly removed: boolean;
}

export function remove(api: Api, call: Call, options: DeleteOptions): Deletion {
  const { resource } = call;
  const stored = requireStored(api, call);
  const old = stored.object;
  if (options.uid !== undefined && options.uid !== old.metadata.uid)
    throw conflict(
      resource,
      call.name,
      `Precondition failed: UID in precondition: ${options.uid}, UID in object meta: ${old.metadata.uid}`,
    );
  if (options.resourceVersion !== undefined && options.resourceVersion !== old.metadata.resourceVersion)
    throw conflict(
      resource,
      call.name,
      `Precondition failed: ResourceVersion in precondition: ${options.resourceVersion}, ResourceVersion in object meta: ${old.metadata.resourceVersion}`,
    );
  api.admission?.({ call, operation: "DELETE", oldObject: old });
  const grace = resource.strategy.gracePeriod?.(old, options.gracePeriodSeconds) ?? 0;
  const finalizers = withPropagation(old.metadata.finalizers ?? [], options.propagation);
  const already = old.metadata.deletionTimestamp !== undefined;
  const waits = finalizers.length > 0 || grace > 0 || hasSpecFinalizers(old);
  if (!waits)
    return call.dryRun
      ? { stored, removed: true }
      : { stored: finishDeletion(api, resource, stored, old), removed: true };
  const shortened = already && grace < (old.metadata.deletionGracePeriodSeconds ?? 0);
  const sameFinalizers = finalizers.join() === (old.metadata.finalizers ?? []).join();
  if (already && !shortened && sameFinalizers) return { stored, removed: false };
  const object: KubeObject = { ...old, metadata: { ...old.metadata } };
  if (finalizers.length > 0) object.metadata.finalizers = finalizers;
  else delete object.metadata.finalizers;
  if (!already || shortened) {
    object.metadata.deletionTimestamp = api.timestamp(grace);
    object.metadata.deletionGracePeriodSeconds = grace;
    if (old.metadata.generation !== undefined && !already)
      object.metadata.generation = old.metadata.generation + 1;
  }
  if (object.kind === "Namespace")
    object.status = { ...(isObject(old.status) ? old.status : {}), phase: "Terminating" };
  if (call.dryRun) return { stored: new Stored(stored.key, stored.version, object), removed: false };
  return { stored: api.store.put(api.objects(resource), stored.key, object), removed: false };
}

const foreground = "foregroundDeletion";
const orphan = "orphan";

function withPropagation(finalizers: readonly string[], policy: DeleteOptions["propagation"]): string[] {
  if (policy === undefined) return [...finalizers];
  const rest = finalizers.filter((f) => f !== foreground && f !== orphan);
  if (policy === "Foreground") return [...rest, foreground];
  return policy === "Orphan" ? [...rest, orphan] : rest;
}

/** Deletes each of the objects; one that is gone meanwhile does not matter. */
export function removeAll(
  api: Api,
  call: Call,
  objects: readonly Stored[],
  options: DeleteOptions,
): readonly Stored[] {
  return objects.map((stored) => {
    const { namespace = "", name } = stored.object.metadata;
    if (!api.objects(call.resource).get(keyOf(namespace, name))) return stored;
    return remove(api, { ...call, namespace, name }, options).stored;
  });
}
