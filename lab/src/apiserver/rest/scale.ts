import { copyJson, isObject, type Json, type JsonObject, numberAt, objectAt } from "../json.ts";
import type { KubeObject } from "../objects.ts";
import { applyJsonPatch } from "../patch/json-patch.ts";
import { applyMergePatch } from "../patch/merge-patch.ts";
import { findPath } from "../table/jsonpath.ts";
import type { Api, Call } from "./api.ts";
import { mediaType } from "./body.ts";
import { requireStored } from "./stored.ts";
import { update } from "./update.ts";

/** The autoscaling/v1 Scale of an object with a scale subresource. */
export function readScale(call: Call, object: KubeObject): JsonObject {
  const { specReplicas, statusReplicas, labelSelector } = call.resource.scale!;
  const { name, namespace, uid, resourceVersion, creationTimestamp } = object.metadata;
  const first = (path: string): Json | undefined => findPath(object, path)[0];
  const labels = objectAt(object, "spec", "selector", "matchLabels");
  const selector = call.resource.custom
    ? first(labelSelector ?? "")
    : Object.entries(labels ?? {})
        .map(([key, value]) => `${key}=${String(value)}`)
        .join(",");
  return {
    kind: "Scale",
    apiVersion: "autoscaling/v1",
    metadata: {
      name,
      ...(namespace ? { namespace } : {}),
      uid: uid!,
      resourceVersion: resourceVersion!,
      creationTimestamp: creationTimestamp!,
    },
    spec: { replicas: first(specReplicas) ?? 0 },
    status: { replicas: first(statusReplicas) ?? 0, ...(typeof selector === "string" ? { selector } : {}) },
  };
}

/** Writes spec.replicas through the Scale. */
export function writeScale(
  api: Api,
  call: Call,
  body: Json | undefined,
  contentType: string | undefined,
  verb: string,
): JsonObject {
  const { object } = requireStored(api, call);
  const current = readScale(call, object);
  const wanted =
    verb === "update"
      ? body
      : mediaType(contentType) === "application/json-patch+json"
        ? applyJsonPatch(current, body ?? [])
        : applyMergePatch(current, body ?? {});
  const replicas = numberAt(wanted, "spec", "replicas") ?? 0;
  const next: KubeObject = copyJson(object);
  const path = call.resource.scale!.specReplicas.split(".").slice(1);
  const last = path.pop()!;
  let parent: JsonObject = next;
  for (const name of path) {
    const inner = parent[name];
    const child: JsonObject = isObject(inner) ? inner : {};
    parent[name] = child;
    parent = child;
  }
  parent[last] = replicas;
  const written = update(api, { ...call, subresource: "" }, next);
  return readScale(call, written.object);
}
