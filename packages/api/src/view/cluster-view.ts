import type { KindNames, ResourceKind } from "../kind.ts";
import type { KubernetesObject, ObjectRef } from "../object.ts";
import type {
  Change,
  ClusterView,
  ClusterViewOptions,
  SubscribeOptions,
  ViewHealth,
  ViewIndex,
  ViewLogger,
  ViewSource,
} from "../view.ts";
import type { Collection } from "./collection.ts";
import { Informer } from "./informer.ts";

const silent: ViewLogger = { info: () => undefined, warn: () => undefined, error: () => undefined };

/**
 * Watches some kinds of a cluster and keeps them in memory. Survives the loss of the API server, forgotten history and
 * kinds that are installed later. Throws `RangeError` when a kind is given twice.
 */
export function createClusterView(options: ClusterViewOptions): ClusterView {
  return new WatchingView(options);
}

class WatchingView implements ClusterView {
  readonly #informers = new Map<string, Informer>();
  readonly #closing = new AbortController();
  readonly #running: Promise<unknown>;

  constructor({ client, kinds, logger = silent, now = Date.now, random = Math.random }: ClusterViewOptions) {
    for (const given of kinds) {
      const source: ViewSource = "plural" in given ? { kind: given } : given;
      const name = nameOf(source.kind);
      if (this.#informers.has(name)) throw new RangeError(`${name} is watched already: give each kind once`);
      this.#informers.set(name, new Informer({ client, source, logger, now, random }));
    }
    this.#running = Promise.all(
      [...this.#informers.values()].map((informer) => informer.run(this.#closing.signal)),
    );
  }

  async synced(signal?: AbortSignal): Promise<void> {
    const all = Promise.all([...this.#informers.values()].map(({ ready }) => ready.promise)).then(
      () => undefined,
    );
    if (signal === undefined) return all;
    signal.throwIfAborted();
    const aborted = Promise.withResolvers<void>();
    const abort = () => aborted.reject(signal.reason);
    signal.addEventListener("abort", abort);
    try {
      await Promise.race([all, aborted.promise]);
    } finally {
      signal.removeEventListener("abort", abort);
    }
  }

  get<T>(kind: ResourceKind<T, never>, ref: ObjectRef): T | undefined {
    return this.#collection(kind).get(ref) as T | undefined;
  }

  list<T>(
    kind: ResourceKind<T, never>,
    options: { readonly namespace?: string | undefined } = {},
  ): readonly T[] {
    return this.#collection(kind).list(options.namespace) as unknown as readonly T[];
  }

  byIndex<T>(index: ViewIndex<T>, key: string): readonly T[] {
    const untyped = index as unknown as ViewIndex<KubernetesObject>;
    return this.#collection(index.kind).byIndex(untyped, key) as unknown as readonly T[];
  }

  subscribe<T>(
    kind: ResourceKind<T, never>,
    handler: (change: Change<T>) => void,
    options?: SubscribeOptions,
  ): Disposable {
    return this.#collection(kind).subscribe((change) => handler(change as unknown as Change<T>), options);
  }

  health(): ViewHealth {
    const sources = [...this.#informers.values()].map((informer) => informer.health());
    return { healthy: sources.every(({ state }) => state === "synced" || state === "missing"), sources };
  }

  async close(): Promise<void> {
    this.#closing.abort();
    await this.#running;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  #collection(kind: KindNames): Collection {
    const informer = this.#informers.get(nameOf(kind));
    if (!informer)
      throw new RangeError(`${nameOf(kind)} is not watched: add it to the kinds of createClusterView`);
    return informer.collection;
  }
}

function nameOf(kind: KindNames): string {
  return `${kind.plural}.${kind.group}`;
}
