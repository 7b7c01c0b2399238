import { createConnection, type Socket } from "node:net";
import { setTimeout as delay } from "node:timers/promises";
import { monotonicNow, realtimeOffset } from "./clock.ts";
import { QemuError } from "./error.ts";
import { onLine } from "./lines.ts";

/** An asynchronous message of QEMU, such as STOP, RESUME, MIGRATION, SHUTDOWN. */
export interface QmpEvent {
  readonly event: string;
  readonly data: Readonly<Record<string, unknown>>;
  /** When QEMU emitted it: its own CLOCK_REALTIME stamp, converted. Nanoseconds of CLOCK_MONOTONIC. */
  readonly at: bigint;
  /** When it was read here. Nanoseconds of CLOCK_MONOTONIC. */
  readonly receivedAt: bigint;
}

interface Reply {
  readonly id?: number;
  readonly return?: unknown;
  readonly error?: { readonly class: string; readonly desc: string };
  readonly event?: string;
  readonly data?: Record<string, unknown>;
  readonly timestamp?: { readonly seconds: number; readonly microseconds: number };
}

interface Pending {
  resolve(value: unknown): void;
  reject(error: Error): void;
}

/** QEMU answers at once or is broken: the longest any command may take, in milliseconds. */
const commandDeadline = 10_000;

/** A connection to QEMU's machine protocol. Source: QEMU docs/interop/qmp-spec.txt. */
export class QmpClient {
  readonly #socket: Socket;
  readonly #pending = new Map<number, Pending>();
  readonly #listeners = new Set<(event: QmpEvent) => void>();
  readonly #offset = realtimeOffset();
  #nextId = 1;
  readonly #ended = new AbortController();

  private constructor(socket: Socket) {
    this.#socket = socket;
    onLine(socket, (line) => this.#receive(line));
    socket.on("close", () => this.#end());
  }

  /** Connects to the unix socket, waiting until it is there, and leaves the negotiation behind. */
  static async connect(path: string, options: { signal: AbortSignal }): Promise<QmpClient> {
    const client = new QmpClient(await connectWhenThere(path, options.signal));
    await client.execute("qmp_capabilities");
    return client;
  }

  /** Aborts when the connection is gone, that is, when QEMU has ended. */
  get ended(): AbortSignal {
    return this.#ended.signal;
  }

  /** Runs one command. Throws {@link QemuError} `CommandFailed`, `Timeout` or `Ended`. */
  async execute<T = unknown>(command: string, args?: Record<string, unknown>): Promise<T> {
    if (this.ended.aborted) throw new QemuError("Ended", `QEMU has ended; it can no longer run ${command}.`);
    const id = this.#nextId++;
    const { promise, resolve, reject } = Promise.withResolvers<unknown>();
    this.#pending.set(id, { resolve, reject });
    const timer = setTimeout(
      () => reject(new QemuError("Timeout", `QEMU did not answer ${command} within ${commandDeadline} ms.`)),
      commandDeadline,
    );
    this.#socket.write(`${JSON.stringify({ execute: command, ...(args && { arguments: args }), id })}\n`);
    try {
      return (await promise) as T;
    } catch (error) {
      if (error instanceof QemuError) throw error;
      throw new QemuError("CommandFailed", `${command}: ${(error as Error).message}`, { cause: error });
    } finally {
      clearTimeout(timer);
      this.#pending.delete(id);
    }
  }

  /** Calls the listener for every event from now on; the returned function ends that. */
  subscribe(listener: (event: QmpEvent) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** The first event from now on for which the predicate holds. Rejects when the signal aborts. */
  waitFor(matches: (event: QmpEvent) => boolean, signal: AbortSignal): Promise<QmpEvent> {
    return new Promise((resolve, reject) => {
      const stop = () => {
        unsubscribe();
        reject(new QemuError("Timeout", "The awaited QEMU event did not come.", { cause: signal.reason }));
      };
      const unsubscribe = this.subscribe((event) => {
        if (!matches(event)) return;
        unsubscribe();
        signal.removeEventListener("abort", stop);
        resolve(event);
      });
      if (signal.aborted) stop();
      else signal.addEventListener("abort", stop, { once: true });
    });
  }

  close(): void {
    this.#socket.destroy();
  }

  #receive(line: string): void {
    const receivedAt = monotonicNow();
    const reply = JSON.parse(line) as Reply;
    if (reply.event !== undefined) this.#announce(reply, receivedAt);
    else if (reply.id !== undefined) {
      const pending = this.#pending.get(reply.id);
      if (reply.error) pending?.reject(new Error(reply.error.desc));
      else pending?.resolve(reply.return);
    }
  }

  #announce(reply: Reply, receivedAt: bigint): void {
    const stamp = reply.timestamp;
    const at = stamp
      ? BigInt(stamp.seconds) * 1_000_000_000n + BigInt(stamp.microseconds) * 1000n - this.#offset
      : receivedAt;
    const event: QmpEvent = { event: reply.event ?? "", data: reply.data ?? {}, at, receivedAt };
    for (const listener of [...this.#listeners]) listener(event);
  }

  #end(): void {
    this.#ended.abort();
    for (const pending of this.#pending.values()) {
      pending.reject(new QemuError("Ended", "QEMU ended before it answered."));
    }
    this.#pending.clear();
  }
}

async function connectWhenThere(path: string, signal: AbortSignal): Promise<Socket> {
  for (;;) {
    try {
      return await new Promise<Socket>((resolve, reject) => {
        const socket = createConnection(path, () => resolve(socket));
        socket.once("error", reject);
      });
    } catch (cause) {
      if (signal.aborted) throw new QemuError("StartFailed", `Nothing listens on ${path}.`, { cause });
      await delay(5);
    }
  }
}
