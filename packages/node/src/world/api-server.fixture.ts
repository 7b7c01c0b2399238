import { ApiError, type KindNames, type KubernetesObject, kinds, type WatchEvent } from "@fairlead/api";
import { FakeCluster } from "@fairlead/api/fake";
import type { SimulatedProcess } from "./process.fixture.ts";
import { type Random, randomFor, type VirtualTime } from "./virtual-time.fixture.ts";
import { WatchStream } from "./watch-stream.fixture.ts";

/** What happens to a node's next requests. `fail`: they do not arrive. `lose`: what they ask is done, the answer is lost. */
export type RequestFault = "fail" | "refuse" | "lose";

/** What a request does. */
export type RequestKind = "read" | "write";

/** How one node's agent is connected. */
export interface Line {
  readonly node: string;
  readonly random: Random;
  /** What happens to the next requests of each kind. */
  readonly faults: Readonly<Record<RequestKind, RequestFault[]>>;
  /** Until when events of a kind are held up on their way to this node. */
  readonly heldUntil: Map<string, number>;
}

/** How often each kind of fault happened. */
export type Count = (what: string) => void;

export const nameOf = ({ plural, group }: KindNames) => `${plural}.${group}`;

const blocks = nameOf(kinds.IPAMBlock);

/** The API server of the cluster, with the network in front of it. */
export class ApiServer {
  readonly cluster: FakeCluster;
  readonly time: VirtualTime;
  readonly count: Count;
  #isDown = false;
  /** Grows with every write of a block of addresses. */
  blocksVersion = 0;
  /** Watches that are open, by kind. */
  readonly #streams = new Map<string, Set<WatchStream>>();
  #seen: number;

  constructor(time: VirtualTime, count: Count) {
    this.time = time;
    this.count = count;
    this.cluster = new FakeCluster({ now: () => time.now });
    this.#seen = this.cluster.store.journal.revision;
    this.cluster.store.journal.onAppend(() => this.#publish());
  }

  get isDown(): boolean {
    return this.#isDown;
  }

  line(seed: string, node: string): Line {
    return {
      node,
      random: randomFor(seed, "line", node),
      faults: { read: [], write: [] },
      heldUntil: new Map(),
    };
  }

  setDown(isDown: boolean): void {
    this.#isDown = isDown;
    if (isDown) this.cutWatches();
  }

  /** @throws ApiError Unavailable */
  checkUp(): void {
    if (this.#isDown) throw new ApiError("Unavailable", "the server is down");
  }

  /** All watches end, as when the server restarts. */
  cutWatches(): void {
    for (const streams of this.#streams.values()) for (const stream of streams) stream.cut();
    this.#streams.clear();
  }

  /** History is forgotten: who was cut off has to list again. */
  compact(): void {
    this.cluster.compact();
  }

  /** Nothing of this kind has ever been there. */
  isEmpty(kind: KindNames & { readonly apiVersion: string }): boolean {
    return this.cluster.store.objects(kind).length === 0;
  }

  open<T>(
    kind: KindNames,
    process: SimulatedProcess,
    line: Line,
    from: number,
    signal: AbortSignal,
  ): AsyncIterable<WatchEvent<T>> {
    const collection = nameOf(kind);
    const stream = new WatchStream({ time: this.time, process, line, collection, signal });
    for (const entry of this.cluster.store.journal.after(from)) stream.offer(entry);
    const streams = this.#streams.get(collection) ?? new Set();
    this.#streams.set(collection, streams.add(stream));
    const close = () => streams.delete(stream);
    signal.addEventListener("abort", close, { once: true });
    process.onEnd(close);
    return stream as AsyncIterable<WatchEvent<KubernetesObject>> as AsyncIterable<WatchEvent<T>>;
  }

  #publish(): void {
    for (const entry of this.cluster.store.journal.after(this.#seen)) {
      this.#seen = entry.revision;
      if (entry.collection === blocks) this.blocksVersion++;
      for (const stream of this.#streams.get(entry.collection) ?? []) stream.offer(entry);
    }
  }
}
