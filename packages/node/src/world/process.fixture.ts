import { type JobOwner, nobody, type VirtualTime } from "./virtual-time.fixture.ts";

/** The process ended before it answered. */
export class ConnectionLost extends Error {
  override readonly name = "ConnectionLost";
}

/**
 * A program that can be stopped, continued and killed at any moment. Whatever it does to things that outlive it passes `effect`, so it can also be
 * killed between any two of those, in the middle of code that awaits nothing: what it computes afterwards reaches nobody.
 */
export class SimulatedProcess implements JobOwner {
  readonly name: string;
  state: "running" | "stopped" | "dead" = "running";
  readonly #time: VirtualTime;
  readonly #parked: (() => void)[] = [];
  readonly #onEnd = new Set<() => void>();
  readonly #onCrash: (error: unknown) => void;
  #effectsLeft: number | undefined;

  constructor(name: string, time: VirtualTime, onCrash: (error: unknown) => void) {
    this.name = name;
    this.#time = time;
    this.#onCrash = onCrash;
  }

  get isDead(): boolean {
    return this.state === "dead";
  }

  /** Asked before each effect; false: the process is dead and the effect does not happen. */
  effect(): boolean {
    if (this.#effectsLeft !== undefined && this.#effectsLeft-- <= 0) this.kill();
    return !this.isDead;
  }

  /** Kills it before the effect after so many more. */
  killAfter(effects: number): void {
    this.#effectsLeft = effects;
  }

  /** It is not to be killed any more. */
  spare(): void {
    this.#effectsLeft = undefined;
  }

  /** SIGKILL. */
  kill(): void {
    if (this.isDead) return;
    this.state = "dead";
    this.#parked.length = 0;
    for (const tell of [...this.#onEnd]) this.#time.after(0, tell, nobody);
    this.#onEnd.clear();
  }

  /** SIGSTOP: no event, timer or answer is processed. */
  stop(): void {
    if (this.state === "running") this.state = "stopped";
  }

  /** SIGCONT: everything that came meanwhile is processed now, in order. */
  resume(): void {
    if (this.state !== "stopped") return;
    this.state = "running";
    for (const work of this.#parked.splice(0)) this.#time.after(0, work, this);
  }

  park(work: () => void): void {
    this.#parked.push(work);
  }

  crashed(error: unknown): void {
    this.kill();
    this.#onCrash(error);
  }

  /** Called by the world once it is dead. */
  onEnd(tell: () => void): Disposable {
    this.#onEnd.add(tell);
    return { [Symbol.dispose]: () => void this.#onEnd.delete(tell) };
  }

  /** Something from outside asks it, and gets the answer outside. Rejects when it dies before. */
  call<T>(work: () => Promise<T>): Promise<T> {
    const { promise, resolve, reject } = Promise.withResolvers<T>();
    if (this.isDead) return Promise.reject(new ConnectionLost(this.name));
    const ended = this.onEnd(() => reject(new ConnectionLost(this.name)));
    const answer = (tell: () => void) => {
      if (this.isDead) return;
      ended[Symbol.dispose]();
      this.#time.after(0, tell, nobody);
    };
    this.#time.after(
      0,
      () =>
        void work().then(
          (value) => answer(() => resolve(value)),
          (error) => answer(() => reject(error)),
        ),
      this,
    );
    return promise;
  }
}
