/**
 * How long calls under way may take after SIGTERM, milliseconds: longer than an ADD that waits for its policy, shorter than the
 * `terminationGracePeriodSeconds` of the manifest.
 */
export const patience = 20_000;

/** The process that is told to end. */
export interface Told {
  once(signal: "SIGINT" | "SIGTERM", handler: () => void): unknown;
  exit(status: number): unknown;
}

/**
 * Aborts when the process is told to end. What is under way may finish; what has not after `patience` is left as it is: its caller is hung
 * up on and repeats it, and the next agent finds it as after a crash.
 */
export function abortWhenTold(told: Told, onLate: () => void): AbortSignal {
  const abort = new AbortController();
  const leave = () => {
    abort.abort();
    const late = () => {
      onLate();
      told.exit(1);
    };
    setTimeout(late, patience).unref();
  };
  told.once("SIGTERM", leave);
  told.once("SIGINT", leave);
  return abort.signal;
}
