import type { JsonObject } from "../json.ts";
import type { Resource } from "../kinds/resource.ts";
import type { KubeObject } from "../objects.ts";
import type { Stored } from "../storage/change.ts";
import { cellOf } from "./cell.ts";

/** A meta.k8s.io Table: what `kubectl get` prints. `includeObject` is None, Metadata (default) or Object. */
export function listTable(
  resource: Resource,
  items: readonly Stored[],
  metadata: JsonObject,
  version: string,
  now: number,
  includeObject = "Metadata",
): JsonObject {
  return {
    kind: "Table",
    apiVersion: `meta.k8s.io/${version}`,
    metadata,
    columnDefinitions: columnDefinitions(resource),
    rows: items.map((stored) => tableRow(resource, stored.object, version, now, includeObject)),
  };
}

export function columnDefinitions(resource: Resource): JsonObject[] {
  return resource.columns.map((column) => ({
    name: column.name,
    type: column.type === "date" ? "string" : column.type,
    format: column.format ?? "",
    description: column.description ?? "",
    priority: column.priority ?? 0,
  }));
}

export function tableRow(
  resource: Resource,
  object: KubeObject,
  version: string,
  now: number,
  includeObject = "Metadata",
): JsonObject {
  return {
    cells: resource.columns.map((column) => cellOf(column, object, now)),
    ...(includeObject === "None"
      ? {}
      : { object: includeObject === "Object" ? object : metadataOnly(object, version) }),
  };
}

export const metadataOnly = (object: KubeObject, version: string): JsonObject => ({
  kind: "PartialObjectMetadata",
  apiVersion: `meta.k8s.io/${version}`,
  metadata: object.metadata,
});

export const metadataList = (
  items: readonly Stored[],
  metadata: JsonObject,
  version: string,
): JsonObject => ({
  kind: "PartialObjectMetadataList",
  apiVersion: `meta.k8s.io/${version}`,
  metadata,
  items: items.map((stored) => metadataOnly(stored.object, version)),
});
