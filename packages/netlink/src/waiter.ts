/**
 * Tells the main thread when a file descriptor is readable.
 *
 * Node.js can wait for its own sockets only, so one thread (`waiter-thread.ts`) sleeps in epoll_wait for all of ours. It never touches a
 * descriptor: it posts the numbers of the ready ones, and the main thread, which alone opens, reads and closes them, does the rest. Each is armed once
 * (EPOLLONESHOT) and again after its handler has drained it. So no descriptor is read after it was closed, and a report about one that
 * was closed meanwhile finds no entry and is dropped.
 */
import { closeSync, writeSync } from "node:fs";
import { systemError } from "./errno.ts";
import { errno, libc } from "./libc.ts";
import { Thread } from "./thread.ts";

const EPOLL_CTL_ADD = 1;
const EPOLL_CTL_DEL = 2;
const EPOLL_CTL_MOD = 3;
const EPOLLIN = 0x1;
const EPOLLONESHOT = 0x40000000;
const CLOEXEC = 0o2000000;

export interface WatchOptions {
  /** False lets the process end while this is watched. Default true. */
  readonly keepAlive?: boolean | undefined;
}

/** Calls `onReadable` on the main thread whenever `fd` has something to read, until disposed. Dispose before closing `fd`. */
export function watch(fd: number, onReadable: () => void, options: WatchOptions = {}): Disposable {
  waiter ??= new Waiter();
  return waiter.watch(fd, onReadable, options.keepAlive !== false);
}

let waiter: Waiter | undefined;

interface Watched {
  readonly fd: number;
  readonly onReadable: () => void;
}

class Waiter {
  readonly #epoll: number;
  readonly #wake: number;
  readonly #thread: Thread<never, readonly number[]>;
  readonly #watched = new Map<number, Watched>();
  #lastId = 0;
  #holding = 0;

  constructor() {
    this.#epoll = libc().epoll_create1(CLOEXEC);
    if (this.#epoll < 0) throw systemError(errno(), "create epoll");
    this.#wake = libc().eventfd(0, CLOEXEC);
    if (this.#wake < 0) {
      const number = errno();
      closeSync(this.#epoll);
      throw systemError(number, "create eventfd");
    }
    this.#control(EPOLL_CTL_ADD, this.#wake, STOP, EPOLLIN);
    this.#thread = new Thread({
      beside: import.meta.url,
      program: "waiter-thread",
      name: "fairlead-netlink",
      data: { epoll: this.#epoll },
      onReport: (ids) => this.#ready(ids),
      wake: () => writeSync(this.#wake, one),
    });
  }

  watch(fd: number, onReadable: () => void, keepAlive: boolean): Disposable {
    const id = ++this.#lastId;
    this.#control(EPOLL_CTL_ADD, fd, id, EPOLLIN | EPOLLONESHOT);
    this.#watched.set(id, { fd, onReadable });
    if (keepAlive && this.#holding++ === 0) this.#thread.ref();
    return {
      [Symbol.dispose]: () => {
        if (!this.#watched.delete(id)) return;
        this.#control(EPOLL_CTL_DEL, fd, id, 0);
        if (keepAlive && --this.#holding === 0) this.#thread.unref();
      },
    };
  }

  #ready(ids: readonly number[]): void {
    for (const id of ids) {
      const entry = this.#watched.get(id);
      if (entry === undefined) continue;
      try {
        entry.onReadable();
      } finally {
        // The handler may have disposed it.
        if (this.#watched.has(id)) this.#control(EPOLL_CTL_MOD, entry.fd, id, EPOLLIN | EPOLLONESHOT);
      }
    }
  }

  #control(op: number, fd: number, id: number, events: number): void {
    const event = Buffer.alloc(EPOLL_EVENT.size);
    event.writeUInt32LE(events >>> 0, 0);
    event.writeUInt32LE(id, EPOLL_EVENT.data);
    if (libc().epoll_ctl(this.#epoll, op, fd, event) !== 0)
      throw systemError(errno(), "watch descriptor", `${fd}`);
  }
}

const one = new Uint8Array(new BigUint64Array([1n]).buffer);

/** The id of the wake-up descriptor. */
export const STOP = 0;

/** struct epoll_event { u32 events; u64 data; }: packed on x86, for the sake of old 32-bit programs, and nowhere else. */
export const EPOLL_EVENT = process.arch === "x64" ? { size: 12, data: 4 } : { size: 16, data: 8 };
