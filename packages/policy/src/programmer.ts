import { type Clock, systemClock } from "./clock.ts";
import type { Dataplane } from "./dataplane.ts";
import { PolicyError } from "./error.ts";
import type { KeepUnknown } from "./ruleset/difference.ts";
import type { RulesetEditor } from "./ruleset/editor.ts";

export interface ProgrammerOptions {
  readonly dataplane: Dataplane;
  readonly editor: RulesetEditor;
  /** Brings the editor up to date before each transaction. */
  readonly prepare: () => void;
  /** Called after each acknowledged transaction. */
  readonly committed: () => void;
  readonly clock?: Clock | undefined;
  /** Milliseconds between looks for foreign changes. */
  readonly watchInterval: number;
  /** Milliseconds between full comparisons where others can change our tables; 0 for none. Asked each time anew. */
  readonly refreshInterval: () => number;
}

const firstRetry = 20;
const longestRetry = 5_000;

/**
 * Brings the dataplane to what the editor holds: differences while all goes well, a full comparison after a failure or
 * a foreign change.
 */
export class Programmer {
  readonly #options: ProgrammerOptions;
  readonly #clock: Clock;
  #scheduled: NodeJS.Immediate | undefined;
  #retry: Disposable | undefined;
  #retryDelay = firstRetry;
  #watch: Disposable | undefined;
  /** Milliseconds watched since the last full comparison. */
  #watched = 0;
  #needsReconcile = true;
  #keepUnknown: KeepUnknown = true;
  #closed = false;
  transactions = 0;
  repairs = 0;
  failure: PolicyError | undefined;

  constructor(options: ProgrammerOptions) {
    this.#options = options;
    this.#clock = options.clock ?? systemClock;
  }

  /** First comparison; leaves alone what it does not know. Throws what the dataplane throws. */
  start(): void {
    this.#reconcile();
    this.#watchLater();
  }

  /** From now on what is not in the editor is removed, but for what is in force for the `kept` interfaces. */
  complete(kept: readonly string[]): void {
    this.#keepUnknown = kept;
    this.#needsReconcile = true;
    this.schedule();
  }

  /** Asks for a transaction at the end of this turn of the event loop. */
  schedule(): void {
    if (this.#closed || this.#retry !== undefined) return;
    this.#scheduled ??= setImmediate(() => this.#run());
  }

  close(): void {
    this.#closed = true;
    clearImmediate(this.#scheduled);
    this.#retry?.[Symbol.dispose]();
    this.#watch?.[Symbol.dispose]();
    this.#options.dataplane.close();
  }

  #run(): void {
    this.#scheduled = undefined;
    if (this.#closed) return;
    try {
      this.#options.prepare();
      if (this.#needsReconcile) this.#reconcile();
      else this.#apply();
      this.failure = undefined;
      this.#retryDelay = firstRetry;
    } catch (error) {
      this.#failed(error);
      return;
    }
    this.#options.committed();
  }

  #apply(): void {
    const { dataplane, editor } = this.#options;
    const change = editor.take();
    if (change === undefined) return;
    this.#needsReconcile = true;
    dataplane.apply(change);
    this.#needsReconcile = false;
    this.transactions++;
  }

  #reconcile(): void {
    const { dataplane, editor } = this.#options;
    editor.forget();
    dataplane.reconcile(editor.ruleset, { keepUnknown: this.#keepUnknown });
    this.#needsReconcile = false;
    this.#watched = 0;
    this.transactions++;
  }

  #failed(error: unknown): void {
    this.failure =
      error instanceof PolicyError
        ? error
        : new PolicyError("KernelRefused", "Programming the firewall failed; it is tried again.", {
            cause: error,
          });
    this.#needsReconcile = true;
    this.#retry = this.#clock.after(this.#retryDelay, () => {
      this.#retry = undefined;
      this.schedule();
    });
    this.#retryDelay = Math.min(this.#retryDelay * 2, longestRetry);
  }

  #watchLater(): void {
    this.#watch = this.#clock.after(this.#options.watchInterval, () => {
      this.#look();
      this.#refresh();
      if (!this.#closed) this.#watchLater();
    });
  }

  /**
   * The watch tells of every change there is an event for. Comparing everything now and then is for what it might miss, and needless
   * where the kernel lets nobody else change our tables.
   */
  #refresh(): void {
    this.#watched += this.#options.watchInterval;
    const interval = this.#options.refreshInterval();
    if (interval === 0 || this.#watched < interval || this.#options.dataplane.health().exclusive) return;
    this.#watched = 0;
    this.#needsReconcile = true;
    this.schedule();
  }

  #look(): void {
    try {
      if (!this.#options.dataplane.disturbed()) return;
    } catch (error) {
      this.#failed(error);
      return;
    }
    this.repairs++;
    this.#needsReconcile = true;
    this.schedule();
  }
}
