import { PolicyError } from "./error.ts";

interface Waiter {
  readonly resolve: () => void;
  readonly reject: (error: PolicyError) => void;
}

/**
 * `pending`: changed since the last transaction was put together; `staged`: in the transaction under way; `ready`: the kernel has
 * acknowledged it.
 */
type State = "pending" | "staged" | "ready";

/** Who waits for which endpoint to be in force. */
export class Readiness {
  readonly #states = new Map<string, State>();
  readonly #waiters = new Map<string, Set<Waiter>>();
  #closed = false;

  /** The endpoint has a new generation, which is not in force yet. */
  expect(id: string): void {
    this.#states.set(id, "pending");
  }

  /** Everything pending is now part of the transaction under way. */
  stage(): void {
    for (const [id, state] of this.#states) if (state === "pending") this.#states.set(id, "staged");
  }

  /** The transaction under way is in force. */
  acknowledge(): void {
    for (const [id, state] of this.#states) {
      if (state !== "staged") continue;
      this.#states.set(id, "ready");
      this.#settle(id, (waiter) => waiter.resolve());
    }
  }

  forget(id: string): void {
    this.#states.delete(id);
    this.#settle(id, (waiter) => waiter.reject(unknown(id)));
  }

  async wait(id: string, signal?: AbortSignal): Promise<void> {
    if (this.#closed) throw closed();
    const state = this.#states.get(id);
    if (state === undefined) throw unknown(id);
    if (state === "ready") return;
    if (signal?.aborted) throw aborted(id, signal);
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const waiter = { resolve, reject };
    const waiters = this.#waiters.get(id) ?? new Set();
    this.#waiters.set(id, waiters.add(waiter));
    const give = () => {
      waiters.delete(waiter);
      reject(aborted(id, signal));
    };
    signal?.addEventListener("abort", give, { once: true });
    try {
      await promise;
    } finally {
      signal?.removeEventListener("abort", give);
    }
  }

  close(): void {
    this.#closed = true;
    for (const id of [...this.#waiters.keys()]) this.#settle(id, (waiter) => waiter.reject(closed()));
  }

  #settle(id: string, settle: (waiter: Waiter) => void): void {
    for (const waiter of this.#waiters.get(id) ?? []) settle(waiter);
    this.#waiters.delete(id);
  }
}

const closed = () => new PolicyError("Closed", "The policy engine is closed; make a new one.");

const unknown = (id: string) =>
  new PolicyError("UnknownEndpoint", `Endpoint ${id} is not on this node (any more); upsert it first.`);

const aborted = (id: string, signal?: AbortSignal) =>
  new PolicyError(
    "Aborted",
    `Gave up waiting for the policy of ${id}. Nothing passes there meanwhile; health() tells what holds it up.`,
    { cause: signal?.reason },
  );
