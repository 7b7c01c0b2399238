import { compare } from "../apply/compare.ts";
import { assign, fieldsOfManager, type Manager, ownable } from "../apply/managers.ts";
import { fieldsOf, separator } from "../apply/path.ts";
import { sameJson } from "../json.ts";
import { apiVersionOf, type Resource } from "../kinds/resource.ts";
import type { KubeObject, ManagedFieldsEntry } from "../objects.ts";
import { model } from "../schema/models.ts";
import type { Schema } from "../schema/schema.ts";
import type { Api, Call } from "./api.ts";

const schemas = new WeakMap<Resource, Schema>();

/** The resource's schema with metadata as every object has it. */
export function ownershipSchema(resource: Resource): Schema {
  let schema = schemas.get(resource);
  if (!schema) {
    const own = resource.schema();
    schema = { ...own, properties: { ...own.properties, metadata: model("V1ObjectMeta") } };
    schemas.set(resource, schema);
  }
  return schema;
}

export const managerOf = (call: Call, operation: "Apply" | "Update"): Manager => ({
  manager: call.fieldManager,
  operation,
  apiVersion: apiVersionOf(call.resource),
  subresource: call.subresource === "status" ? call.subresource : "",
});

/** The managedFields to go on from: those of the store, unless the client rewrote them on purpose. */
export function currentEntries(old: KubeObject | undefined, object: KubeObject): ManagedFieldsEntry[] {
  const stored = old?.metadata.managedFields ?? [];
  const sent = object.metadata.managedFields;
  if (!sent || !old || sameJson(sent, stored)) return stored;
  return sent.filter((entry) => entry.manager !== undefined && entry.fieldsV1 !== undefined);
}

/** Records in metadata.managedFields which fields this writer now owns. */
export function trackWrite(api: Api, call: Call, old: KubeObject | undefined, object: KubeObject): void {
  const schema = ownershipSchema(call.resource);
  const entries = currentEntries(old, object);
  const manager = managerOf(call, "Update");
  const { written, removed } = old
    ? compare(schema, bare(old), bare(object))
    : { written: fieldsOf(schema, bare(object)), removed: new Set<string>() };
  const mine = resettable(call, ownable(written));
  if (old && mine.size === 0 && removed.size === 0) {
    setEntries(object, entries);
    return;
  }
  const owned = new Set(fieldsOfManager(entries, manager));
  for (const path of mine) owned.add(path);
  for (const path of removed) owned.delete(path);
  const lost = new Set([...mine, ...removed]);
  setEntries(object, assign(entries, manager, owned, lost, api.timestamp()));
}

export function setEntries(object: KubeObject, entries: ManagedFieldsEntry[]): void {
  if (entries.length > 0) object.metadata.managedFields = entries;
  else delete object.metadata.managedFields;
}

/** Without managedFields, which describe the others. */
export function bare(object: KubeObject): KubeObject {
  const { managedFields: _, ...metadata } = object.metadata;
  return { ...object, metadata };
}

/** A write of the object does not own its status, a write of the status nothing else. */
export function resettable(call: Call, set: Set<string>): Set<string> {
  if (!call.resource.hasStatus) return set;
  const status = call.subresource === "status";
  for (const path of set) {
    const inStatus = path === "f:status" || path.startsWith(`f:status${separator}`);
    if (inStatus !== status) set.delete(path);
  }
  return set;
}
