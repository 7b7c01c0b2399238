import type { Resource } from "../kinds/resource.ts";
import type { KubeObject } from "../objects.ts";
import { Stored } from "../storage/change.ts";
import type { Api } from "./api.ts";

/** Takes the object out of the store; watchers get its last state. */
export function finishDeletion(api: Api, resource: Resource, stored: Stored, last: KubeObject): Stored {
  const removed = api.store.remove(api.objects(resource), new Stored(stored.key, stored.version, last));
  resource.strategy.afterRemove?.(last);
  return removed;
}

/** Namespaces are also held by spec.finalizers. */
export function hasSpecFinalizers(object: KubeObject): boolean {
  const spec = object.spec;
  return (
    object.kind === "Namespace" &&
    typeof spec === "object" &&
    spec !== null &&
    !Array.isArray(spec) &&
    Array.isArray(spec.finalizers) &&
    spec.finalizers.length > 0
  );
}
