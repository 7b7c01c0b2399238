import { sameJson } from "../json.ts";
import { apiVersionOf } from "../kinds/resource.ts";
import type { KubeObject } from "../objects.ts";
import { badRequest, conflict, fieldError, invalid } from "../status.ts";
import { Stored } from "../storage/change.ts";
import { requireValid } from "./admit.ts";
import type { Api, Call } from "./api.ts";
import { countsGenerations } from "./create.ts";
import { finishDeletion, hasSpecFinalizers } from "./finish.ts";
import { trackWrite } from "./managed.ts";
import { requireStored } from "./stored.ts";

/** Replaces an object. `object` has been decoded and belongs to this call. */
export function update(api: Api, call: Call, object: KubeObject, track = trackWrite): Stored {
  const { resource } = call;
  const stored = requireStored(api, call);
  const old = inVersion(stored.object, apiVersionOf(resource));
  const metadata = object.metadata;
  if (!metadata.name) metadata.name = call.name;
  if (metadata.name !== call.name)
    throw badRequest(
      `the name of the object (${metadata.name}) does not match the name on the URL (${call.name})`,
    );
  if (metadata.namespace && metadata.namespace !== call.namespace)
    throw badRequest("the namespace of the provided object does not match the namespace sent on the request");
  const given = metadata.resourceVersion;
  if (!given && !resource.unconditionalUpdate)
    throw invalid(resource, call.name, [
      fieldError.invalid("metadata.resourceVersion", 0, "must be specified for an update"),
    ]);
  if (given && given !== old.metadata.resourceVersion) throw conflict(resource, call.name);
  if (metadata.uid && metadata.uid !== old.metadata.uid)
    throw conflict(
      resource,
      call.name,
      `Precondition failed: UID in precondition: ${metadata.uid}, UID in object meta: ${old.metadata.uid}`,
    );
  keepSystemFields(object, old);
  if (call.subresource === "status") restrictToStatus(call, object, old);
  else {
    if (resource.hasStatus) keep(object, old, "status");
    resource.strategy.prepareUpdate?.(object, old);
  }
  bumpGeneration(call, object, old);
  requireValid(call, object, old);
  track(api, call, old, object);
  api.admission?.({ call, operation: "UPDATE", object, oldObject: old });
  if (unchanged(object, old)) return stored;
  metadata.resourceVersion = old.metadata.resourceVersion!;
  if (call.dryRun) return new Stored(stored.key, stored.version, object);
  if (metadata.deletionTimestamp && isFinished(object)) return finishDeletion(api, resource, stored, object);
  const written = api.store.put(api.objects(resource), stored.key, object);
  resource.strategy.afterWrite?.(written.object);
  return written;
}

export const inVersion = (object: KubeObject, apiVersion: string): KubeObject =>
  object.apiVersion === apiVersion ? object : { ...object, apiVersion };

function keep(object: KubeObject, old: KubeObject, field: string): void {
  if (old[field] === undefined) delete object[field];
  else object[field] = old[field];
}

function keepSystemFields({ metadata }: KubeObject, { metadata: old }: KubeObject): void {
  metadata.uid = old.uid!;
  metadata.creationTimestamp = old.creationTimestamp!;
  if (old.namespace) metadata.namespace = old.namespace;
  delete metadata.selfLink;
  for (const field of [
    "generateName",
    "deletionTimestamp",
    "deletionGracePeriodSeconds",
    "generation",
  ] as const)
    if (old[field] === undefined) delete metadata[field];
    else Object.assign(metadata, { [field]: old[field] });
  if (old.deletionTimestamp && metadata.finalizers) {
    const before = new Set(old.finalizers);
    metadata.finalizers = metadata.finalizers.filter((finalizer) => before.has(finalizer));
  }
  if (metadata.finalizers?.length === 0) delete metadata.finalizers;
}

/** A status write changes the status, of built-in kinds labels and annotations too, and managedFields. */
function restrictToStatus({ resource }: Call, object: KubeObject, old: KubeObject): void {
  const { status } = object;
  const { managedFields, labels, annotations } = object.metadata;
  for (const field of Object.keys(object)) if (field !== "status") delete object[field];
  Object.assign(object, old, { metadata: { ...old.metadata } });
  if (managedFields) object.metadata.managedFields = managedFields;
  if (!resource.custom) {
    if (labels) object.metadata.labels = labels;
    else delete object.metadata.labels;
    if (annotations) object.metadata.annotations = annotations;
    else delete object.metadata.annotations;
  }
  if (status === undefined) delete object.status;
  else object.status = status;
}

function bumpGeneration(call: Call, object: KubeObject, old: KubeObject): void {
  const { resource } = call;
  if (call.subresource === "status" || old.metadata.generation === undefined) return;
  if (!resource.custom && !countsGenerations(resource.kind)) return;
  const names = new Set([...Object.keys(object), ...Object.keys(old)]);
  for (const name of names) {
    if (name === "metadata" || name === "apiVersion" || (name === "status" && resource.hasStatus)) continue;
    if (!sameJson(object[name], old[name])) {
      object.metadata.generation = old.metadata.generation + 1;
      return;
    }
  }
}

function unchanged(object: KubeObject, old: KubeObject): boolean {
  const bare = ({ metadata }: KubeObject) => {
    const { resourceVersion: _, managedFields, ...rest } = metadata;
    return { ...rest, managers: (managedFields ?? []).map(({ time: _time, ...entry }) => entry) };
  };
  for (const name of new Set([...Object.keys(object), ...Object.keys(old)]))
    if (name !== "metadata" && !sameJson(object[name], old[name])) return false;
  return sameJson(bare(object), bare(old));
}

const isFinished = (object: KubeObject): boolean =>
  (object.metadata.finalizers?.length ?? 0) === 0 &&
  (object.metadata.deletionGracePeriodSeconds ?? 0) === 0 &&
  !hasSpecFinalizers(object);
