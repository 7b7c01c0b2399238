import { compare } from "../apply/compare.ts";
import { assign, fieldsOfManager, fieldsOfOthers, ownable, requireNoConflict } from "../apply/managers.ts";
import { mergeApplied, removeFields } from "../apply/merge.ts";
import { fieldsOf, separator } from "../apply/path.ts";
import { isObject, type Json } from "../json.ts";
import { apiVersionOf } from "../kinds/resource.ts";
import type { KubeObject } from "../objects.ts";
import { badRequest } from "../status.ts";
import type { Stored } from "../storage/change.ts";
import { decode, pruneUnknown } from "./admit.ts";
import { type Api, type Call, keyOf } from "./api.ts";
import { create } from "./create.ts";
import { bare, managerOf, ownershipSchema, resettable, setEntries } from "./managed.ts";
import { inVersion, update } from "./update.ts";

/**
 * Server-side apply: the fields named become the manager's and get these values; fields it named the last time and no longer
 * names go, unless someone else owns them. A field of another manager is a conflict, unless `force`.
 */
export function apply(
  api: Api,
  call: Call,
  body: Json | undefined,
  force: boolean,
): { stored: Stored; created: boolean } {
  if (!isObject(body)) throw badRequest("the applied configuration is not an object");
  const applied = body as KubeObject;
  applied.metadata ??= { name: call.name };
  applied.metadata.name ??= call.name;
  if (applied.metadata.managedFields && applied.metadata.managedFields.length > 0)
    throw badRequest("metadata.managedFields must be nil");
  delete applied.metadata.managedFields;
  pruneUnknown(call, applied);
  const schema = ownershipSchema(call.resource);
  const manager = managerOf(call, "Apply");
  const wanted = resettable(call, ownable(fieldsOf(schema, applied)));
  const stored = api.objects(call.resource).get(keyOf(call.namespace, call.name));

  if (!stored) {
    const object = decode(call, applied);
    const first = create(api, call, object, (_api, _call, _old, next) =>
      setEntries(next, assign([], manager, wanted, new Set(), api.timestamp())),
    );
    return { stored: first, created: true };
  }

  const live = inVersion(stored.object, apiVersionOf(call.resource));
  const entries = live.metadata.managedFields ?? [];
  const others = fieldsOfOthers(entries, manager);
  const dropped = new Set(
    [...fieldsOfManager(entries, manager)].filter((path) => !wanted.has(path) && !others.has(path)),
  );
  for (const path of [...dropped])
    if (hasOwnedPart(path, wanted) || hasOwnedPart(path, others)) dropped.delete(path);
  const liveBare = bare(live);
  const merged = removeFields(schema, mergeApplied(schema, liveBare, applied), dropped) as KubeObject;
  merged.metadata = { ...merged.metadata };
  const { written, removed } = compare(schema, liveBare, merged);
  const changed = resettable(call, ownable(written));
  if (!force) requireNoConflict(entries, manager, changed);
  const lost = new Set([...changed, ...removed]);
  const next = assign(entries, manager, wanted, lost, api.timestamp());
  const object = decode(call, structuredClone(merged));
  if (!applied.metadata.resourceVersion) object.metadata.resourceVersion = live.metadata.resourceVersion!;
  return {
    stored: update(api, call, object, (_api, _call, _old, o) => setEntries(o, next)),
    created: false,
  };
}

function hasOwnedPart(path: string, set: ReadonlySet<string>): boolean {
  const prefix = `${path}${separator}`;
  for (const other of set) if (other.startsWith(prefix)) return true;
  return false;
}
