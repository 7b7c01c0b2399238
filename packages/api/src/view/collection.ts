import { type KubernetesObject, keyOf, type ObjectRef } from "../object.ts";
import type { Change, SubscribeOptions, ViewIndex } from "../view.ts";

type Handler = (change: Change<KubernetesObject>) => void;

/** The objects of one kind in memory, with indexes and subscribers. */
export class Collection {
  readonly #objects = new Map<string, KubernetesObject>();
  readonly #indexes = new Map<ViewIndex<KubernetesObject>, Map<string, Set<string>>>();
  readonly #handlers = new Set<Handler>();
  readonly #onHandlerError: (error: unknown) => void;

  constructor(onHandlerError: (error: unknown) => void) {
    this.#onHandlerError = onHandlerError;
  }

  get size(): number {
    return this.#objects.size;
  }

  get(ref: ObjectRef): KubernetesObject | undefined {
    return this.#objects.get(keyOf(ref));
  }

  list(namespace?: string): readonly KubernetesObject[] {
    const all = [...this.#objects.values()];
    return namespace === undefined ? all : all.filter(({ metadata }) => metadata.namespace === namespace);
  }

  byIndex(index: ViewIndex<KubernetesObject>, key: string): readonly KubernetesObject[] {
    const keys = this.#index(index).get(key) ?? [];
    return [...keys]
      .map((objectKey) => this.#objects.get(objectKey))
      .filter((object) => object !== undefined);
  }

  subscribe(handler: Handler, { replay = true }: SubscribeOptions = {}): Disposable {
    this.#handlers.add(handler);
    if (replay)
      for (const object of [...this.#objects.values()])
        this.#call(handler, { type: "added", object, replayed: true });
    return { [Symbol.dispose]: () => void this.#handlers.delete(handler) };
  }

  /** Takes in an object; the same revision again is no change. */
  put(object: KubernetesObject): void {
    const key = keyOf(object.metadata);
    const previous = this.#objects.get(key);
    if (previous?.metadata.resourceVersion === object.metadata.resourceVersion && previous !== undefined)
      return;
    // The same name with another UID: the old one was deleted and nobody told us.
    if (previous && previous.metadata.uid !== object.metadata.uid) {
      this.remove(previous);
      this.put(object);
      return;
    }
    this.#objects.set(key, object);
    this.#reindex(key, previous, object);
    this.#notify(previous ? { type: "updated", object, previous } : { type: "added", object });
  }

  remove(object: KubernetesObject): void {
    const key = keyOf(object.metadata);
    const previous = this.#objects.get(key);
    if (!previous) return;
    this.#objects.delete(key);
    this.#reindex(key, previous, undefined);
    this.#notify({
      type: "deleted",
      object: object.metadata.uid === previous.metadata.uid ? object : previous,
    });
  }

  /** Makes the content equal to a fresh list. */
  replaceAll(objects: readonly KubernetesObject[]): void {
    const present = new Set(objects.map(({ metadata }) => keyOf(metadata)));
    for (const [key, object] of [...this.#objects]) if (!present.has(key)) this.remove(object);
    for (const object of objects) this.put(object);
  }

  #index(index: ViewIndex<KubernetesObject>): Map<string, Set<string>> {
    let entries = this.#indexes.get(index);
    if (!entries) {
      entries = new Map();
      this.#indexes.set(index, entries);
      for (const [key, object] of this.#objects) addTo(entries, index.keys(object), key);
    }
    return entries;
  }

  #reindex(key: string, previous: KubernetesObject | undefined, object: KubernetesObject | undefined): void {
    for (const [index, entries] of this.#indexes) {
      for (const old of previous ? index.keys(previous) : []) {
        const members = entries.get(old);
        members?.delete(key);
        if (members?.size === 0) entries.delete(old);
      }
      if (object) addTo(entries, index.keys(object), key);
    }
  }

  #notify(change: Change<KubernetesObject>): void {
    for (const handler of [...this.#handlers]) this.#call(handler, change);
  }

  #call(handler: Handler, change: Change<KubernetesObject>): void {
    try {
      handler(change);
    } catch (error) {
      this.#onHandlerError(error);
    }
  }
}

function addTo(entries: Map<string, Set<string>>, keys: readonly string[], member: string): void {
  for (const key of keys) {
    const members = entries.get(key);
    if (members) members.add(member);
    else entries.set(key, new Set([member]));
  }
}
