import type { Registry } from "../kinds/registry.ts";
import type { Resource, World } from "../kinds/resource.ts";
import type { KubeObject } from "../objects.ts";
import type { Collection } from "../storage/collection.ts";
import type { Store } from "../storage/store.ts";

/** Who is asking. */
export interface User {
  readonly name: string;
  readonly groups: readonly string[];
  readonly uid?: string;
  readonly extra?: { readonly [key: string]: string[] };
}

/** What every operation needs: the objects, the kinds, the time. */
export class Api implements World {
  readonly store: Store;
  readonly registry: Registry;
  readonly #now: () => number;
  /** Judges every write after validation; throws what it refuses. The server's own first objects come before it. */
  admission: ((attempt: Attempt) => void) | undefined;

  constructor(store: Store, registry: Registry, now: () => number) {
    this.store = store;
    this.registry = registry;
    this.#now = now;
  }

  now(): number {
    return this.#now();
  }

  /** The time as metav1.Time prints it: seconds, UTC. */
  timestamp(offsetSeconds = 0): string {
    return `${new Date(this.#now() + offsetSeconds * 1000).toISOString().slice(0, 19)}Z`;
  }

  objects(resource: Resource): Collection {
    return this.store.collection(resource.storage);
  }

  get(storage: string, namespace: string, name: string): KubeObject | undefined {
    return this.store.collection(storage).get(namespace === "" ? name : `${namespace}/${name}`)?.object;
  }

  list(storage: string, namespace?: string): readonly KubeObject[] {
    const all = this.store.collection(storage).sorted();
    const prefix = namespace === undefined ? "" : `${namespace}/`;
    return all.filter((stored) => stored.key.startsWith(prefix)).map((stored) => stored.object);
  }
}

/** One request on a resource, after authentication, in terms of objects rather than HTTP. */
export interface Call {
  readonly resource: Resource;
  /** Empty for cluster-scoped resources and for lists over all namespaces. */
  readonly namespace: string;
  readonly name: string;
  readonly subresource: string;
  readonly user: User;
  readonly dryRun: boolean;
  readonly fieldManager: string;
  readonly fieldValidation: "Strict" | "Warn" | "Ignore";
  /** Sent as Warning headers. */
  readonly warnings: string[];
}

export type Operation = "CREATE" | "UPDATE" | "DELETE";

/** A write that is about to happen, as admission judges it. Objects are as they would be stored. */
export interface Attempt {
  readonly call: Call;
  readonly operation: Operation;
  readonly object?: KubeObject;
  readonly oldObject?: KubeObject;
}

export const keyOf = (namespace: string, name: string): string =>
  namespace === "" ? name : `${namespace}/${name}`;
