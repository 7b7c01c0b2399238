import { ApiError } from "@fairlead/api";

export interface Reconciler {
  /** Looks at the object soon; several calls before that are one. */
  enqueue(key: string): void;
  /** Looks at nothing until disposed; what is under way is carried to its end. */
  pause(): Disposable;
  stop(): Promise<void>;
}

export interface ReconcilerOptions {
  readonly name: string;
  /** Brings one object a step further. Returns milliseconds after which to look again, or nothing. */
  readonly reconcile: (key: string) => Promise<number | undefined>;
  readonly log: (message: string) => void;
}

const conflictRetryMs = 5;
const failureRetryMs = 500;

/** One key at a time, each until it is quiet; what fails is tried again. Level-triggered: a key says only where to look. */
export function startReconciler(options: ReconcilerOptions): Reconciler {
  const waiting = new Set<string>();
  const timers = new Map<string, NodeJS.Timeout>();
  let stopped = false;
  const pauses = new Set<Disposable>();
  let running: Promise<void> | undefined;

  const enqueue = (key: string) => {
    if (stopped) return;
    waiting.add(key);
    start();
  };
  const start = () => {
    if (stopped || pauses.size > 0 || waiting.size === 0) return;
    running ??= work().finally(() => {
      running = undefined;
      start();
    });
  };
  const later = (key: string, milliseconds: number) => {
    clearTimeout(timers.get(key));
    const timer = setTimeout(() => {
      timers.delete(key);
      enqueue(key);
    }, milliseconds);
    timers.set(key, timer);
  };
  const work = async () => {
    await Promise.resolve();
    for (let [key] = waiting; key !== undefined && !stopped && pauses.size === 0; [key] = waiting) {
      waiting.delete(key);
      try {
        const again = await options.reconcile(key);
        if (again !== undefined) later(key, again);
      } catch (error) {
        const conflict = error instanceof ApiError && (error.code === "Conflict" || error.code === "Invalid");
        if (!conflict) options.log(`${options.name} ${key}: ${error instanceof Error ? error.stack : error}`);
        later(key, conflict ? conflictRetryMs : failureRetryMs);
      }
    }
  };
  return {
    enqueue,
    pause: () => {
      const pause: Disposable = {
        [Symbol.dispose]: () => {
          pauses.delete(pause);
          start();
        },
      };
      pauses.add(pause);
      return pause;
    },
    stop: async () => {
      stopped = true;
      for (const timer of timers.values()) clearTimeout(timer);
      await running;
    },
  };
}
