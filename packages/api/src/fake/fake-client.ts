import type {
  ApiClient,
  CallOptions,
  DeleteOptions,
  ListOptions,
  ObjectList,
  PatchOptions,
  RawRequest,
  RawResponse,
  WatchEvent,
  WatchOptions,
  WriteOptions,
} from "../client.ts";
import { ApiError } from "../error.ts";
import { clone } from "../json.ts";
import type { ResourceKind } from "../kind.ts";
import type { KubernetesObject, ObjectMeta, ObjectRef } from "../object.ts";
import { decode } from "../schema.ts";
import { type Call, Crash, type Faults, type Verb } from "./faults.ts";
import { type AnyKind, isSound } from "./server-rules.ts";
import type { Store } from "./store.ts";

/** What a client asks of its cluster. */
export interface FakeServer {
  readonly store: Store;
  /** @throws ApiError `Unavailable`, `NotServed` */
  checkServed(plural: string): void;
  watch(kind: AnyKind, options: WatchOptions): AsyncIterable<WatchEvent<KubernetesObject>>;
  answerRaw(request: RawRequest): RawResponse;
}

/** A client of a `FakeCluster`, with its own faults and its own count of calls. */
export class FakeApiClient implements ApiClient {
  readonly #server: FakeServer;
  /** Replace at any time; undefined for none. */
  faults: Faults | undefined;
  readonly #calls: Call[] = [];
  #isCrashed = false;
  #isClosed = false;

  constructor(server: FakeServer, faults?: Faults) {
    this.#server = server;
    this.faults = faults;
  }

  /** Every call so far, the failed ones included. */
  get calls(): readonly Call[] {
    return this.#calls;
  }

  get<T>(kind: ResourceKind<T, never>, ref: ObjectRef, options?: CallOptions): Promise<T> {
    return this.#call("get", kind, ref, options, (store) => read(kind, store.get(kind, ref)));
  }

  list<T>(kind: ResourceKind<T, never>, options: ListOptions = {}): Promise<ObjectList<T>> {
    return this.#call("list", kind, undefined, options, (store) => {
      const page = store.list(kind, options);
      return { ...page, items: page.items.map((object) => read(kind, object)) };
    });
  }

  create<T, D>(kind: ResourceKind<T, D>, object: NoInfer<D>, options?: WriteOptions): Promise<T> {
    const ref = (object as { metadata: ObjectMeta }).metadata;
    return this.#call("create", kind, ref, options, (store) =>
      read(kind, store.create(kind, object, options?.dryRun)),
    );
  }

  replace<T extends { metadata: ObjectMeta }>(
    kind: ResourceKind<T, never>,
    object: NoInfer<T>,
    options?: WriteOptions,
  ): Promise<T> {
    return this.#call("replace", kind, object.metadata, options, (store) =>
      read(kind, store.replace(kind, object, "object", options?.dryRun)),
    );
  }

  replaceStatus<T extends { metadata: ObjectMeta }>(
    kind: ResourceKind<T, never>,
    object: NoInfer<T>,
    options?: WriteOptions,
  ): Promise<T> {
    return this.#call("replaceStatus", kind, object.metadata, options, (store) =>
      read(kind, store.replace(kind, object, "status", options?.dryRun)),
    );
  }

  patch<T>(kind: ResourceKind<T, never>, ref: ObjectRef, patch: unknown, options: PatchOptions): Promise<T> {
    return this.#call("patch", kind, ref, options, (store) =>
      read(kind, store.patch(kind, ref, patch, options)),
    );
  }

  delete<T>(kind: ResourceKind<T, never>, ref: ObjectRef, options: DeleteOptions = {}): Promise<void> {
    return this.#call("delete", kind, ref, options, (store) => store.delete(kind, ref, options));
  }

  async *watch<T>(kind: ResourceKind<T, never>, options: WatchOptions): AsyncGenerator<WatchEvent<T>> {
    await this.#call("watch", kind, undefined, options, () => undefined);
    for await (const event of this.#server.watch(kind, options)) {
      if (this.#isCrashed) throw new ApiError("Unavailable", "the client has crashed");
      yield event.type === "BOOKMARK" ? event : { type: event.type, object: read(kind, event.object) };
    }
  }

  /** Answered by the handlers given to the cluster. */
  raw(request: RawRequest): Promise<RawResponse> {
    const kind = { kind: request.path, plural: request.path };
    return this.#call("raw", kind, undefined, request, () => this.#server.answerRaw(request));
  }

  close(): Promise<void> {
    this.#isClosed = true;
    return Promise.resolve();
  }

  async #call<R>(
    verb: Verb,
    kind: { readonly kind: string; readonly plural: string },
    ref: ObjectRef | undefined,
    options: CallOptions | undefined,
    effect: (store: Store) => R | Promise<R>,
  ): Promise<R> {
    if (this.#isClosed) throw new ApiError("Unavailable", "the client is closed");
    const name = ref === undefined ? undefined : { name: ref.name, namespace: ref.namespace };
    const call: Call = { number: this.#calls.length + 1, verb, kind: kind.kind, ref: name };
    if (this.#isCrashed) throw new Crash(call, "before");
    this.#calls.push(call);
    options?.signal?.throwIfAborted();
    // A real answer never arrives in the same turn.
    await Promise.resolve();
    const fault = this.faults?.(call);
    if (fault?.type === "delay") await fault.until;
    if (fault?.type === "act") await fault.act();
    if (fault?.type === "fail") throw fault.error;
    if (fault?.type === "crash" && fault.when === "before") throw this.#crash(call, "before");
    options?.signal?.throwIfAborted();
    this.#server.checkServed(kind.plural);
    const result = await effect(this.#server.store);
    if (fault?.type === "crash") throw this.#crash(call, "after");
    if (fault?.type === "lose") throw new ApiError("Timeout", `${verb} ${kind.kind}: the answer was lost`);
    return result;
  }

  #crash(call: Call, when: "before" | "after"): Crash {
    this.#isCrashed = true;
    return new Crash(call, when);
  }
}

function read<T>(kind: AnyKind & ResourceKind<T, never>, stored: KubernetesObject): T {
  const copy = clone(stored);
  return isSound(stored) ? (copy as T) : decode(kind, copy);
}
