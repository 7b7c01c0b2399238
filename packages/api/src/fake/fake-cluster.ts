import type { RawRequest, RawResponse, WatchEvent, WatchOptions } from "../client.ts";
import { ApiError } from "../error.ts";
import type { KindNames, ResourceKind } from "../kind.ts";
import type { KubernetesObject } from "../object.ts";
import { FakeApiClient, type FakeServer } from "./fake-client.ts";
import type { Faults } from "./faults.ts";
import type { AnyKind } from "./server-rules.ts";
import { Store } from "./store.ts";
import { watchStream } from "./watch-stream.ts";

/** The clock of a fake cluster, and what it does not serve. */
export interface FakeClusterOptions {
  /** Milliseconds since 1970; `Date.now` by default. */
  readonly now?: () => number;
  /** Kinds the cluster does not serve until `serve(kind)`: their calls answer NotServed. */
  readonly missing?: readonly KindNames[];
}

/** An API server in memory. Any number of clients share it. */
export class FakeCluster implements FakeServer {
  readonly store: Store;
  readonly #missing: Set<string>;
  #isDown = false;
  #epoch = 0;
  #bookmarks = 0;
  readonly #raw = new Map<string, (request: RawRequest) => RawResponse>();

  constructor(options: FakeClusterOptions = {}) {
    this.store = new Store(options.now ?? Date.now);
    this.#missing = new Set((options.missing ?? []).map((kind) => kind.plural));
  }

  client(faults?: Faults): FakeApiClient {
    return new FakeApiClient(this, faults);
  }

  /** Puts an object in place whatever it holds: status included, nothing validated. */
  put<T>(kind: ResourceKind<T, never>, object: unknown): void {
    this.store.put(kind, object);
  }

  /** Installs a kind that was missing. */
  serve(kind: KindNames): void {
    this.#missing.delete(kind.plural);
  }

  /** Removes a kind from what is served, as a restarting server seems to do. Its objects stay. */
  unserve(kind: KindNames): void {
    this.#missing.add(kind.plural);
    this.disconnect();
  }

  /** While down every call and every watch fails with `Unavailable`. */
  setDown(isDown: boolean): void {
    this.#isDown = isDown;
    if (isDown) this.disconnect();
  }

  /** Ends all watches, as a server does that restarts. */
  disconnect(): void {
    this.#epoch += 1;
    this.store.journal.wake();
  }

  /** Sends a bookmark on every watch. */
  bookmark(): void {
    this.#bookmarks += 1;
    this.store.journal.wake();
  }

  /** Forgets the history: watches from before get `Gone`. */
  compact(): void {
    this.store.journal.compact();
  }

  /** Answers raw requests to a path, for example `/api/v1/namespaces/default/pods/p/eviction`. */
  onRaw(method: RawRequest["method"], path: string, answer: (request: RawRequest) => RawResponse): void {
    this.#raw.set(`${method} ${path}`, answer);
  }

  watch(kind: AnyKind, options: WatchOptions): AsyncIterable<WatchEvent<KubernetesObject>> {
    return watchStream(this.store, kind, options, {
      epoch: () => this.#epoch,
      bookmarks: () => this.#bookmarks,
    });
  }

  answerRaw(request: RawRequest): RawResponse {
    const answer = this.#raw.get(`${request.method} ${request.path}`);
    if (!answer) throw new ApiError("NotServed", `${request.method} ${request.path}: no handler`);
    return answer(request);
  }

  checkServed(plural: string): void {
    if (this.#isDown) throw new ApiError("Unavailable", "the server is down");
    if (this.#missing.has(plural))
      throw new ApiError("NotServed", `the server could not find the requested resource (${plural})`);
  }
}
