/**
 * Shares one piece of work among callers. Who calls while it runs waits for the next run, which starts after the call: its answer is
 * never older than the question.
 */
export class Flight<T> {
  readonly #work: () => Promise<T>;
  #running: Promise<unknown> | undefined;
  #current: Promise<T> | undefined;
  #next: Promise<T> | undefined;

  constructor(work: () => Promise<T>) {
    this.#work = work;
  }

  run(): Promise<T> {
    if (this.#next) return this.#next;
    if (!this.#running) return this.#start();
    this.#next = this.#running.then(() => {
      this.#next = undefined;
      return this.#start();
    });
    return this.#next;
  }

  /** Waits for the run under way, if any: good enough when a slightly older answer is. */
  join(): Promise<T> {
    return this.#current ?? this.run();
  }

  #start(): Promise<T> {
    const work = this.#work();
    this.#current = work;
    const settled = work.then(
      () => undefined,
      () => undefined,
    );
    this.#running = settled;
    void settled.then(() => {
      if (this.#running !== settled) return;
      this.#running = undefined;
      this.#current = undefined;
    });
    return work;
  }
}
