import { type ApiClient, listAll } from "../client.ts";
import { isApiError } from "../error.ts";
import type { KubernetesObject } from "../object.ts";
import type { SourceHealth, SourceState, ViewLogger, ViewSource } from "../view.ts";
import { Collection } from "./collection.ts";

/** Waits between attempts, milliseconds. Each is multiplied by 0.5 to 1.5, so that a fleet does not come back at once. */
export const backoff = {
  /** After a failure: doubles from the first to the last. */
  firstMs: 200,
  lastMs: 10_000,
  /** While the server does not know the kind. */
  missingMs: 2_000,
  /** A restarting server may deny custom kinds for a moment: what we know of them is kept for so long. */
  forgetMs: 60_000,
} as const;

export interface InformerOptions {
  readonly client: ApiClient;
  readonly source: ViewSource;
  readonly logger: ViewLogger;
  readonly now: () => number;
  readonly random: () => number;
}

/** Keeps the objects of one source in memory: lists, watches from there, and starts over whenever it has to. */
export class Informer {
  readonly collection: Collection;
  readonly source: ViewSource;
  /** Settles once the source was read, or found missing, for the first time. */
  readonly ready = Promise.withResolvers<void>();
  readonly #options: InformerOptions;
  #state: SourceState = "starting";
  #since: number;
  #error: Error | undefined;
  #lists = 0;
  #failures = 0;
  /** Since when the server denies the kind. */
  #missingSince: number | undefined;
  /** Where to resume; undefined when a list is needed. */
  #revision: string | undefined;

  constructor(options: InformerOptions) {
    this.#options = options;
    this.source = options.source;
    this.#since = options.now();
    const { kind } = options.source;
    this.collection = new Collection((error) =>
      options.logger.error(
        { kind: kind.kind, err: error },
        "a handler of cluster changes threw; it stays subscribed",
      ),
    );
  }

  health(): SourceHealth {
    return {
      kind: this.source.kind,
      state: this.#state,
      since: this.#since,
      objects: this.collection.size,
      lists: this.#lists,
      error: this.#error,
    };
  }

  /** Runs until the signal aborts. */
  async run(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      const wait = await this.#round(signal).then(
        () => 0,
        (error: unknown) => this.#waitAfter(error, signal),
      );
      if (wait > 0) await sleep(wait * (0.5 + this.#options.random()), signal);
    }
  }

  /** One list, if needed, and one watch until it ends. */
  async #round(signal: AbortSignal): Promise<void> {
    const { client } = this.#options;
    const { kind, ...selection } = this.source;
    if (this.#revision === undefined) {
      const list = await listAll(client, kind, { ...selection, signal });
      this.#lists += 1;
      this.collection.replaceAll(list.items);
      this.#revision = list.resourceVersion;
      this.#enter("synced");
    }
    const startedAt = this.#options.now();
    for await (const event of client.watch(kind, { ...selection, resourceVersion: this.#revision, signal })) {
      if (this.#state !== "synced") this.#enter("synced");
      this.#failures = 0;
      if (event.type === "BOOKMARK") {
        this.#revision = event.resourceVersion;
        continue;
      }
      this.#take(event.type, event.object);
    }
    if (this.#state !== "synced") this.#enter("synced");
    // A server that ends every watch at once must not be asked in a loop.
    if (this.#options.now() - startedAt < 1000)
      await sleep(backoff.firstMs * (0.5 + this.#options.random()), signal);
  }

  #take(type: "ADDED" | "MODIFIED" | "DELETED", object: KubernetesObject): void {
    this.#revision = object.metadata.resourceVersion;
    if (type === "DELETED") this.collection.remove(object);
    else this.collection.put(object);
  }

  /** Milliseconds to wait before the next round. */
  #waitAfter(reason: unknown, signal: AbortSignal): number {
    if (signal.aborted) return 0;
    const error = reason instanceof Error ? reason : new Error(String(reason));
    if (isApiError(error, "Gone")) {
      this.#revision = undefined;
      return 0;
    }
    const { logger } = this.#options;
    const fields = { kind: this.source.kind.kind, err: error };
    if (isApiError(error, "NotServed") && this.#isMissing()) {
      // What was there went with the kind.
      this.#revision = undefined;
      this.collection.replaceAll([]);
      if (this.#state !== "missing") logger.info(fields, "the server does not know this kind (yet)");
      this.#enter("missing", error);
      return backoff.missingMs;
    }
    if (this.#state !== "retrying") logger.warn(fields, "cannot watch; what was read before still answers");
    this.#enter("retrying", error);
    if (isApiError(error, "NotServed")) return backoff.missingMs;
    this.#missingSince = undefined;
    this.#failures += 1;
    const asked = (isApiError(error) ? (error.retryAfterSeconds ?? 0) : 0) * 1000;
    return Math.max(asked, Math.min(backoff.lastMs, backoff.firstMs * 2 ** (this.#failures - 1)));
  }

  /** Believed at once if we know no object of the kind, and only after a while if we do. */
  #isMissing(): boolean {
    const now = this.#options.now();
    this.#missingSince ??= now;
    return this.collection.size === 0 || now - this.#missingSince >= backoff.forgetMs;
  }

  #enter(state: SourceState, error?: Error): void {
    if (state === "synced") this.#missingSince = undefined;
    if (this.#state !== state) this.#since = this.#options.now();
    if (state === "synced" && this.#state !== "synced")
      this.#options.logger.info({ kind: this.source.kind.kind, objects: this.collection.size }, "watching");
    this.#state = state;
    this.#error = error;
    if (state === "synced" || state === "missing") this.ready.resolve();
  }
}

function sleep(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const done = () => {
      clearTimeout(timer);
      signal.removeEventListener("abort", done);
      resolve();
    };
    const timer = setTimeout(done, ms);
    signal.addEventListener("abort", done);
    if (signal.aborted) done();
  });
}
