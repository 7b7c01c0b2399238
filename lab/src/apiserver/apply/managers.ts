import type { ManagedFieldsEntry } from "../objects.ts";
import type { Details } from "../status.ts";
import { StatusError } from "../status.ts";
import { decodeFields, encodeFields } from "./fields-v1.ts";
import { type FieldSet, printPath, separator } from "./path.ts";

/** Who writes: an entry of managedFields is found again by these. */
export interface Manager {
  readonly manager: string;
  readonly operation: "Apply" | "Update";
  readonly apiVersion: string;
  readonly subresource: string;
}

/** At most so many entries for plain updates; older ones are put together. */
const maxUpdateManagers = 10;

const unowned = ["f:apiVersion", "f:kind", "f:metadata"];
const unownedMetadata = [
  "name",
  "namespace",
  "creationTimestamp",
  "selfLink",
  "uid",
  "generation",
  "managedFields",
  "resourceVersion",
  "deletionTimestamp",
  "deletionGracePeriodSeconds",
];
const metadataPaths = unownedMetadata.map((name) => `f:metadata${separator}f:${name}`);

/** Fields the server itself looks after have no owner. */
export function ownable(set: Iterable<string>): Set<string> {
  const result = new Set<string>();
  for (const path of set) {
    if (unowned.includes(path)) continue;
    if (
      path.startsWith("f:metadata") &&
      metadataPaths.some((p) => path === p || path.startsWith(`${p}${separator}`))
    )
      continue;
    result.add(path);
  }
  return result;
}

const isSame = (entry: ManagedFieldsEntry, manager: Manager): boolean =>
  entry.manager === manager.manager &&
  entry.operation === manager.operation &&
  entry.apiVersion === manager.apiVersion &&
  (entry.subresource ?? "") === manager.subresource;

export const fieldsOfManager = (entries: readonly ManagedFieldsEntry[], manager: Manager): FieldSet => {
  const entry = entries.find((e) => isSame(e, manager));
  return entry ? decodeFields(entry.fieldsV1 ?? {}) : new Set<string>();
};

export const fieldsOfOthers = (entries: readonly ManagedFieldsEntry[], manager: Manager): Set<string> => {
  const result = new Set<string>();
  for (const entry of entries)
    if (!isSame(entry, manager)) for (const path of decodeFields(entry.fieldsV1 ?? {})) result.add(path);
  return result;
};

/** Gives `owned` to the manager and takes `lost` from everybody else. Entries that do not change stay the same objects. */
export function assign(
  entries: readonly ManagedFieldsEntry[],
  manager: Manager,
  owned: FieldSet,
  lost: FieldSet,
  time: string,
): ManagedFieldsEntry[] {
  const result: ManagedFieldsEntry[] = [];
  let placed = false;
  for (const entry of entries) {
    const current = decodeFields(entry.fieldsV1 ?? {});
    if (isSame(entry, manager)) {
      placed = true;
      if (owned.size === 0) continue;
      result.push(sameSet(current, owned) ? entry : { ...entry, time, fieldsV1: encodeFields(owned) });
      continue;
    }
    const kept = without(current, lost);
    if (kept === current) result.push(entry);
    else if (kept.size > 0) result.push({ ...entry, fieldsV1: encodeFields(kept) });
  }
  if (!placed && owned.size > 0)
    result.push({
      manager: manager.manager,
      operation: manager.operation,
      apiVersion: manager.apiVersion,
      time,
      fieldsType: "FieldsV1",
      fieldsV1: encodeFields(owned),
      ...(manager.subresource === "" ? {} : { subresource: manager.subresource }),
    });
  return withinLimit(result);
}

function without(set: FieldSet, lost: FieldSet): FieldSet {
  let copy: Set<string> | undefined;
  for (const path of lost)
    if (set.has(path)) {
      copy ??= new Set(set);
      copy.delete(path);
    }
  return copy ?? set;
}

function sameSet(a: FieldSet, b: FieldSet): boolean {
  if (a.size !== b.size) return false;
  for (const path of a) if (!b.has(path)) return false;
  return true;
}

function withinLimit(entries: ManagedFieldsEntry[]): ManagedFieldsEntry[] {
  const updates = entries.filter((entry) => entry.operation === "Update" && !entry.subresource);
  if (updates.length <= maxUpdateManagers) return entries;
  const byAge = [...updates].sort((a, b) => ((a.time ?? "") < (b.time ?? "") ? -1 : 1));
  const [first, second] = byAge as [ManagedFieldsEntry, ManagedFieldsEntry];
  const union = new Set([...decodeFields(first.fieldsV1 ?? {}), ...decodeFields(second.fieldsV1 ?? {})]);
  const merged: ManagedFieldsEntry = { ...second, manager: "ancient-changes", fieldsV1: encodeFields(union) };
  return [merged, ...entries.filter((entry) => entry !== first && entry !== second)];
}

/** Throws 409 if the manager wrote fields that others own. */
export function requireNoConflict(
  entries: readonly ManagedFieldsEntry[],
  manager: Manager,
  written: FieldSet,
): void {
  const causes: { who: string; field: string }[] = [];
  for (const entry of entries) {
    if (isSame(entry, manager)) continue;
    for (const path of decodeFields(entry.fieldsV1 ?? {}))
      if (written.has(path)) causes.push({ who: printManager(entry), field: printPath(path) });
  }
  if (causes.length === 0) return;
  const whos = [...new Set(causes.map((cause) => cause.who))];
  const parts = whos.map((who) => {
    const fields = causes.filter((cause) => cause.who === who).map((cause) => cause.field);
    return fields.length === 1
      ? `conflict with ${who}: ${fields[0]}`
      : `conflicts with ${who}:\n${fields.map((field) => `- ${field}`).join("\n")}`;
  });
  const details: Details = {
    causes: causes.map(({ who, field }) => ({
      reason: "FieldManagerConflict",
      message: `conflict with ${who}`,
      field,
    })),
  };
  const plural = causes.length === 1 ? "conflict" : "conflicts";
  const list = parts.length === 1 ? parts[0] : parts.join("\n");
  throw new StatusError("Conflict", `Apply failed with ${causes.length} ${plural}: ${list}`, details);
}

function printManager(entry: ManagedFieldsEntry): string {
  const name = JSON.stringify(entry.manager);
  const subresource = entry.subresource ? ` with subresource ${JSON.stringify(entry.subresource)}` : "";
  return entry.operation === "Update"
    ? `${name}${subresource} using ${entry.apiVersion}`
    : `${name}${subresource}`;
}
