/**
 * Threads that call the kernel, and how they end: by themselves.
 *
 * A thread must not be terminated inside a native call: the binding finds that it may no longer return to JavaScript, and aborts the process.
 * So `Worker.terminate` is never used. The owner sets a flag and sends a message; the thread finishes what it is doing, takes no further
 * order, and closes its port. Node.js itself terminates all threads when the process ends, however it ends; so the process's `exit`
 * event asks the same of those that still run, and waits for them.
 *
 * The flag, one i32 that both share:
 *
 *     running ── the owner ──▶ ending ── the thread, its JavaScript at its end ──▶ ended
 *        └──────────────────── the thread has failed ──────────────────────────────▶
 */
import { parentPort, Worker, workerData } from "node:worker_threads";

export { takePrecedence } from "./precedence.ts";

const RUNNING = 0;
const ENDING = 1;
const ENDED = 2;

/** Milliseconds that the process's end waits for one thread: longer than any call it could be in. */
const patience = 10_000;

interface Wrapped<Data> {
  readonly fairleadThread: SharedArrayBuffer;
  readonly data: Data;
}

export interface ThreadOptions<Report> {
  /** `import.meta.url` of a module beside the program. */
  readonly beside: string;
  /** File name of the program, without extension: the published package is JavaScript, the sources run as they are. */
  readonly program: string;
  readonly name: string;
  /** What `threadData` gives in the thread. */
  readonly data?: unknown;
  onReport(report: Report): void;
  /** The thread has failed; `onExit` follows. */
  onError?(error: Error): void;
  /** It has ended, whether asked to or not. */
  onExit?(): void;
  /** Gets the thread out of a system call in which it sleeps, so that it sees that it shall end. */
  wake?(): void;
}

/** A running thread, for its owner. Orders are taken in their order. It does not keep the process alive until `ref`. */
export class Thread<Order, Report> implements AsyncDisposable {
  readonly #worker: Worker;
  readonly #state = new Int32Array(new SharedArrayBuffer(4));
  readonly #wake: (() => void) | undefined;
  readonly #exited: Promise<void>;

  constructor({ beside, program, name, data, onReport, onError, onExit, wake }: ThreadOptions<Report>) {
    const extension = beside.endsWith(".ts") ? "ts" : "js";
    this.#wake = wake;
    this.#worker = new Worker(new URL(`./${program}.${extension}`, beside), {
      workerData: { fairleadThread: this.#state.buffer, data },
      execArgv: [],
      // Its descriptors are not opened by Node.js.
      trackUnmanagedFds: false,
      name,
    });
    this.#worker.on("message", onReport);
    this.#worker.on("error", (error) => onError?.(error instanceof Error ? error : new Error(String(error))));
    this.#exited = new Promise((resolve) =>
      this.#worker.on("exit", () => {
        running.delete(this);
        onExit?.();
        resolve();
      }),
    );
    // Last: a listener for messages would hold the process again.
    this.#worker.unref();
    running.add(this);
    watchExit();
  }

  post(order: Order): void {
    this.#worker.postMessage(order);
  }

  ref(): void {
    this.#worker.ref();
  }

  unref(): void {
    this.#worker.unref();
  }

  /** Asks it to end after the order it is at. Orders that wait are dropped. */
  requestEnd(): void {
    if (Atomics.compareExchange(this.#state, 0, RUNNING, ENDING) !== RUNNING) return;
    this.#worker.postMessage(undefined);
    this.#wake?.();
  }

  /** As `requestEnd`; resolves when it is gone. */
  async end(): Promise<void> {
    this.requestEnd();
    if (running.has(this)) this.#worker.ref();
    await this.#exited;
  }

  /** As `requestEnd`; returns when its JavaScript has ended. Holds this thread up. */
  endNow(): void {
    this.requestEnd();
    Atomics.wait(this.#state, 0, ENDING, patience);
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.end();
  }
}

/** In the thread's program: what it was started with. */
export function threadData<Data>(): Data {
  watchExit();
  return ownThread<Data>().data;
}

/** In the thread's program: true when it shall end. */
export function isEnding(): boolean {
  return Atomics.load(stateOf(ownThread()), 0) !== RUNNING;
}

/** In the thread's program: tells the owner. */
export function report<Report>(message: Report): void {
  parentPort?.postMessage(message);
}

/** In the thread's program: takes the owner's orders until it shall end. `release` gives up what would keep the thread alive. */
export function takeOrders<Order>(take: (order: Order) => void, release: () => void = () => {}): void {
  watchExit();
  parentPort?.on("message", (order: Order) => {
    if (!isEnding()) return take(order);
    parentPort?.close();
    release();
  });
}

/** Those of this thread. */
const running = new Set<Thread<never, never>>();
let isWatching = false;

/** One listener for both: a thread says that it has ended only after the threads it owns. */
function watchExit(): void {
  if (isWatching) return;
  isWatching = true;
  process.on("exit", () => {
    for (const thread of running) thread.requestEnd();
    for (const thread of running) thread.endNow();
    if (!isThread(workerData)) return;
    const state = stateOf(workerData);
    Atomics.store(state, 0, ENDED);
    Atomics.notify(state, 0);
  });
}

function isThread(value: unknown): value is Wrapped<unknown> {
  return typeof value === "object" && value !== null && "fairleadThread" in value;
}

function ownThread<Data>(): Wrapped<Data> {
  return workerData as Wrapped<Data>;
}

function stateOf({ fairleadThread }: Wrapped<unknown>): Int32Array {
  return new Int32Array(fairleadThread);
}
