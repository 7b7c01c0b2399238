import { isObject, type JsonObject, listAt, objectAt, sameJson, stringAt } from "../json.ts";
import type { KubeObject } from "../objects.ts";
import type { Api } from "../rest/api.ts";
import { finishDeletion } from "../rest/finish.ts";
import { customResources } from "./custom.ts";
import type { Resource } from "./resource.ts";

const cleanup = "customresourcecleanup.apiextensions.k8s.io";

/** Serves what the CustomResourceDefinitions in the store define, and says so in their conditions. */
export class Definitions {
  readonly #api: Api;
  readonly #resource: Resource;

  constructor(api: Api) {
    this.#api = api;
    this.#resource = api.registry.findKind("apiextensions.k8s.io", "CustomResourceDefinition")!;
    const collection = api.objects(this.#resource);
    for (const stored of collection.sorted()) this.#serve(stored.object);
    collection.subscribe((change) => {
      const definition = change.current.object;
      if (change.type === "DELETED") this.#unserve(definition);
      // After the write that is being told: a write of our own may follow.
      else queueMicrotask(() => this.#settle(definition.metadata.name));
    });
  }

  #serve(definition: KubeObject): void {
    const id = storageOf(definition);
    this.#api.registry.replace(id, customResources(definition));
  }

  #unserve(definition: KubeObject): void {
    this.#api.registry.replace(storageOf(definition), []);
  }

  /** Brings status and finalizer to what they should be; a definition being deleted takes its objects along. */
  #settle(name: string): void {
    const collection = this.#api.objects(this.#resource);
    const stored = collection.get(name);
    if (!stored) return;
    const old = stored.object;
    if (old.metadata.deletionTimestamp) {
      if (old.metadata.finalizers?.includes(cleanup)) this.#finish(name);
      return;
    }
    const clash = this.#clash(old);
    if (!clash) this.#serve(old);
    const status = statusOf(old, clash, this.#api.timestamp());
    const finalizers = old.metadata.finalizers ?? [];
    const next: KubeObject = {
      ...old,
      metadata: {
        ...old.metadata,
        finalizers: finalizers.includes(cleanup) ? finalizers : [...finalizers, cleanup],
      },
      status,
    };
    if (!sameJson(next, old)) this.#api.store.put(collection, name, next);
  }

  /** Another served resource that has one of our names. */
  #clash(definition: KubeObject): string | undefined {
    const names = objectAt(definition, "spec", "names") ?? {};
    const id = storageOf(definition);
    const group = stringAt(definition, "spec", "group");
    for (const other of this.#api.registry.all()) {
      if (other.group !== group || other.storage === id) continue;
      const taken = [other.plural, other.singular, ...other.shortNames];
      const ours = [names.plural, names.singular, ...listAt(names, "shortNames")];
      const name = ours.find((n) => typeof n === "string" && taken.includes(n));
      if (name) return `${JSON.stringify(name)} is already in use`;
      if (other.kind === names.kind) return `${JSON.stringify(names.kind)} is already in use`;
    }
    return undefined;
  }

  #finish(name: string): void {
    const definitions = this.#api.objects(this.#resource);
    const stored = definitions.get(name)!;
    const served = this.#api.registry.all().find((r) => r.storage === storageOf(stored.object));
    let waiting = false;
    if (served) {
      const objects = this.#api.objects(served);
      for (const item of [...objects.sorted()]) {
        const { metadata } = item.object;
        if ((metadata.finalizers?.length ?? 0) === 0) finishDeletion(this.#api, served, item, item.object);
        else {
          waiting = true;
          if (!metadata.deletionTimestamp)
            this.#api.store.put(objects, item.key, {
              ...item.object,
              metadata: {
                ...metadata,
                deletionTimestamp: this.#api.timestamp(),
                deletionGracePeriodSeconds: 0,
              },
            });
        }
      }
      if (waiting) {
        const stop = objects.subscribe(() => {
          if (objects.size > 0) return;
          stop();
          queueMicrotask(() => this.#settle(name));
        });
        return;
      }
    }
    const { finalizers, ...metadata } = stored.object.metadata;
    const rest = (finalizers ?? []).filter((finalizer) => finalizer !== cleanup);
    const object: KubeObject = {
      ...stored.object,
      metadata: rest.length > 0 ? { ...metadata, finalizers: rest } : metadata,
    };
    if (rest.length > 0) this.#api.store.put(definitions, name, object);
    else finishDeletion(this.#api, this.#resource, stored, object);
  }
}

const storageOf = (definition: KubeObject): string =>
  `${stringAt(definition, "spec", "group")}/${stringAt(definition, "spec", "names", "plural")}`;

function statusOf(definition: KubeObject, clash: string | undefined, now: string): JsonObject {
  const spec = objectAt(definition, "spec") ?? {};
  const before = objectAt(definition, "status") ?? {};
  const versions = listAt(spec, "versions").filter(isObject);
  const stored = versions.filter((v) => v.storage === true).map((v) => String(v.name));
  const condition = (type: string, status: "True" | "False", reason: string, message: string): JsonObject => {
    const old = listAt(before, "conditions").find((c) => stringAt(c, "type") === type);
    const since = stringAt(old, "status") === status ? stringAt(old, "lastTransitionTime") : undefined;
    return { type, status, lastTransitionTime: since ?? now, reason, message };
  };
  return {
    ...before,
    conditions: clash
      ? [
          condition("NamesAccepted", "False", "NameConflict", clash),
          condition("Established", "False", "NotAccepted", "not all names are accepted"),
        ]
      : [
          condition("NamesAccepted", "True", "NoConflicts", "no conflicts found"),
          condition("Established", "True", "InitialNamesAccepted", "the initial names have been accepted"),
        ],
    acceptedNames: objectAt(spec, "names") ?? {},
    storedVersions: [...new Set([...listAt(before, "storedVersions").map(String), ...stored])],
  };
}
