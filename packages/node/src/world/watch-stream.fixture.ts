import type { KubernetesObject, WatchEvent } from "@fairlead/api";
import type { Line } from "./api-server.fixture.ts";
import type { SimulatedProcess } from "./process.fixture.ts";
import { between, type VirtualTime } from "./virtual-time.fixture.ts";

/** One change as the server's journal has it. */
interface Entry {
  readonly collection: string;
  readonly before: KubernetesObject | undefined;
  readonly after: KubernetesObject | undefined;
}

interface StreamOptions {
  readonly time: VirtualTime;
  readonly process: SimulatedProcess;
  readonly line: Line;
  readonly collection: string;
  readonly signal: AbortSignal;
}

const end = Symbol("end");

/** One watch on its way to one process: in order, late, and later still while its kind is held up. */
export class WatchStream implements AsyncIterable<WatchEvent<KubernetesObject>> {
  readonly #options: StreamOptions;
  readonly #arrived: (WatchEvent<KubernetesObject> | typeof end)[] = [];
  #wake: (() => void) | undefined;
  #lastArrival = 0;
  #isCut = false;

  constructor(options: StreamOptions) {
    this.#options = options;
    options.signal.addEventListener("abort", () => this.#wake?.(), { once: true });
  }

  offer({ collection, before, after }: Entry): void {
    if (collection !== this.#options.collection || this.#isCut) return;
    const object = after ?? before;
    if (object)
      this.#send({ type: after ? (before ? "MODIFIED" : "ADDED") : "DELETED", object: after ?? object });
  }

  /** The connection ends; what is on its way is lost, and is sent again to who asks from there on. */
  cut(): void {
    this.#isCut = true;
    this.#arrive(end);
  }

  #send(event: WatchEvent<KubernetesObject>): void {
    const { time, process, line, collection } = this.#options;
    const soonest = time.now + between(line.random, 0.5, 8);
    const at = Math.max(soonest, line.heldUntil.get(collection) ?? 0, this.#lastArrival);
    this.#lastArrival = at;
    time.after(at - time.now, () => !this.#isCut && this.#arrive(event), process);
  }

  #arrive(event: WatchEvent<KubernetesObject> | typeof end): void {
    const { time, process } = this.#options;
    const take = () => {
      this.#arrived.push(event);
      this.#wake?.();
    };
    if (time.current === process) take();
    else time.after(1, take, process);
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<WatchEvent<KubernetesObject>> {
    const { signal } = this.#options;
    for (;;) {
      signal.throwIfAborted();
      const event = this.#arrived.shift();
      if (event === end) return;
      if (event) {
        yield event;
        continue;
      }
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
  }
}
