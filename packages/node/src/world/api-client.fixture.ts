import {
  type ApiClient,
  ApiError,
  type CallOptions,
  type DeleteOptions,
  kinds,
  type ListOptions,
  type ObjectList,
  type ObjectMeta,
  type ObjectRef,
  type PatchOptions,
  type RawRequest,
  type RawResponse,
  type ResourceKind,
  type WatchEvent,
  type WatchOptions,
  type WriteOptions,
} from "@fairlead/api";
import type { FakeApiClient } from "@fairlead/api/fake";
import type { ApiServer, Line, RequestFault, RequestKind } from "./api-server.fixture.ts";
import type { SimulatedProcess } from "./process.fixture.ts";
import { between, nobody } from "./virtual-time.fixture.ts";

type Verb = "get" | "list" | "create" | "replace" | "patch" | "delete" | "watch";

const requestKind = (verb: Verb): RequestKind =>
  verb === "get" || verb === "list" || verb === "watch" ? "read" : "write";

/** How a server refuses what it may grant a moment later. */
const refusals = ["TooManyRequests", "Forbidden", "Unavailable"] as const;

/** The client of one process: each request and each answer takes its time, and may not arrive. */
export class SimulatedClient implements ApiClient {
  readonly #server: ApiServer;
  readonly #process: SimulatedProcess;
  readonly #line: Line;
  readonly #direct: FakeApiClient;
  /** Requests sent, those of reads and watches included. */
  requests = 0;

  constructor(server: ApiServer, process: SimulatedProcess, line: Line) {
    this.#server = server;
    this.#process = process;
    this.#line = line;
    this.#direct = server.cluster.client();
  }

  get<T>(kind: ResourceKind<T, never>, ref: ObjectRef, options?: CallOptions): Promise<T> {
    return this.#call("get", options, () => this.#direct.get(kind, ref));
  }

  list<T>(kind: ResourceKind<T, never>, { signal, ...options }: ListOptions = {}): Promise<ObjectList<T>> {
    const ask = () => this.#direct.list(kind, options);
    // A kind of which nothing exists costs the simulation nothing.
    if (this.#server.isEmpty(kind) && !this.#server.isDown) return ask();
    return this.#call("list", { signal }, ask);
  }

  create<T, D>(kind: ResourceKind<T, D>, object: NoInfer<D>, options?: WriteOptions): Promise<T> {
    // Nobody reads events.
    if (kind.kind === kinds.Event.kind) return Promise.resolve(object as unknown as T);
    return this.#call("create", options, () => this.#direct.create(kind, object));
  }

  replace<T extends { metadata: ObjectMeta }>(
    kind: ResourceKind<T, never>,
    object: NoInfer<T>,
    options?: WriteOptions,
  ): Promise<T> {
    return this.#call("replace", options, () => this.#direct.replace(kind, object));
  }

  replaceStatus<T extends { metadata: ObjectMeta }>(
    kind: ResourceKind<T, never>,
    object: NoInfer<T>,
    options?: WriteOptions,
  ): Promise<T> {
    return this.#call("replace", options, () => this.#direct.replaceStatus(kind, object));
  }

  patch<T>(kind: ResourceKind<T, never>, ref: ObjectRef, patch: unknown, options: PatchOptions): Promise<T> {
    const { signal, ...rest } = options;
    return this.#call("patch", { signal }, () => this.#direct.patch(kind, ref, patch, rest));
  }

  delete<T>(
    kind: ResourceKind<T, never>,
    ref: ObjectRef,
    { signal, ...options }: DeleteOptions = {},
  ): Promise<void> {
    return this.#call("delete", { signal }, () => this.#direct.delete(kind, ref, options));
  }

  async *watch<T>(
    kind: ResourceKind<T, never>,
    { resourceVersion, signal }: WatchOptions,
  ): AsyncGenerator<WatchEvent<T>> {
    const from = Number(resourceVersion);
    const open = async () => this.#server.open<T>(kind, this.#process, this.#line, from, signal);
    const isIdle = this.#server.isEmpty(kind) && !this.#server.isDown;
    yield* isIdle ? await open() : await this.#call("watch", { signal }, open);
  }

  raw(_request: RawRequest): Promise<RawResponse> {
    return Promise.reject(new ApiError("NotFound", "nobody asks for this here"));
  }

  async close(): Promise<void> {}

  #call<R>(verb: Verb, options: CallOptions | undefined, ask: () => Promise<R>): Promise<R> {
    const { promise, resolve, reject } = Promise.withResolvers<R>();
    const { time } = this.#server;
    const { random } = this.#line;
    const signal = options?.signal;
    if (signal?.aborted) return Promise.reject(signal.reason);
    // Who is dead waits for ever.
    if (!this.#process.effect()) return promise;
    this.requests++;
    const abort = () => reject(signal?.reason);
    signal?.addEventListener("abort", abort, { once: true });
    const answer = (tell: () => void) =>
      time.after(
        this.#delay(),
        () => {
          signal?.removeEventListener("abort", abort);
          tell();
        },
        this.#process,
      );
    const fault = this.#line.faults[requestKind(verb)].shift();
    time.after(
      this.#delay(),
      () => {
        // Sent by a process that has died since: it may have left the machine or not.
        if (this.#process.isDead && random() < 0.5) return;
        const failure = this.#failureBefore(fault, verb);
        if (failure) return void answer(() => reject(failure));
        ask().then(
          (value) => {
            const lost = this.#failureAfter(fault, verb);
            answer(() => (lost ? reject(lost) : resolve(value)));
          },
          (error) => answer(() => reject(error)),
        );
      },
      nobody,
    );
    return promise;
  }

  #failureBefore(fault: RequestFault | undefined, verb: Verb): ApiError | undefined {
    if (this.#server.isDown) return new ApiError("Unavailable", "the server is down");
    if (fault !== "fail" && fault !== "refuse") return undefined;
    this.#server.count(`${requestKind(verb)} ${fault === "fail" ? "failed" : "refused"}`);
    const code = fault === "fail" ? "Timeout" : refusals[Math.floor(this.#line.random() * refusals.length)]!;
    return new ApiError(code, `${verb}: made to fail`);
  }

  #failureAfter(fault: RequestFault | undefined, verb: Verb): ApiError | undefined {
    if (fault !== "lose") return undefined;
    this.#server.count(`answer of a ${requestKind(verb)} lost`);
    return new ApiError("Timeout", `${verb}: the answer was lost`);
  }

  /** Milliseconds: now and then a busy server. */
  #delay(): number {
    const { random } = this.#line;
    return random() < 0.05 ? between(random, 20, 400) : between(random, 0.3, 6);
  }
}
