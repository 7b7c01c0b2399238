import type { JsonObject } from "../json.ts";
import type { Resource } from "../kinds/resource.ts";

const text = (name: string, version: 2 | 3): JsonObject =>
  version === 2
    ? { name, in: "query", type: "string", uniqueItems: true }
    : { name, in: "query", schema: { type: "string", uniqueItems: true } };
const flag = (name: string, version: 2 | 3): JsonObject =>
  version === 2
    ? { name, in: "query", type: "boolean", uniqueItems: true }
    : { name, in: "query", schema: { type: "boolean", uniqueItems: true } };

/** The operations on a resource; kubectl reads from them which query parameters a server understands. */
export function resourcePaths(resource: Resource, version: 2 | 3): { [path: string]: JsonObject } {
  const { group, version: apiVersion, kind, plural } = resource;
  const root = group === "" ? `/api/${apiVersion}` : `/apis/${group}/${apiVersion}`;
  const collection = `${root}${resource.namespaced ? "/namespaces/{namespace}" : ""}/${plural}`;
  const gvk = { group, kind, version: apiVersion };
  const operation = (action: string, parameters: JsonObject[]): JsonObject => ({
    operationId: `${action}${group.replaceAll(/[.-]/g, "_")}${apiVersion}${kind}`,
    parameters,
    responses: { "200": { description: "OK" } },
    "x-kubernetes-action": action,
    "x-kubernetes-group-version-kind": gvk,
  });
  const writes = ["dryRun", "fieldManager", "fieldValidation"].map((name) => text(name, version));
  const dryRun = [text("dryRun", version)];
  const has = (verb: (typeof resource.verbs)[number], entry: JsonObject): JsonObject =>
    resource.verbs.includes(verb) ? entry : {};
  const item = {
    ...has("get", { get: operation("get", []) }),
    ...has("update", { put: operation("put", writes) }),
    ...has("delete", { delete: operation("delete", dryRun) }),
    ...has("patch", { patch: operation("patch", [...writes, flag("force", version)]) }),
  };
  return {
    [collection]: {
      ...has("list", { get: operation("list", []) }),
      ...has("create", { post: operation("post", writes) }),
      ...has("deletecollection", { delete: operation("deletecollection", dryRun) }),
    },
    ...(Object.keys(item).length > 0 ? { [`${collection}/{name}`]: item } : {}),
  };
}
