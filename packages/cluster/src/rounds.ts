/** Does work again and again: soon after `touch`, at least every `interval`, later after a failure. Rounds never overlap. */
export interface Rounds extends AsyncDisposable {
  touch(): void;
}

/** What is done in a round and how often; times in milliseconds. */
export interface RoundsOptions {
  readonly work: (signal: AbortSignal) => Promise<unknown>;
  /** Milliseconds between rounds without a touch. */
  readonly interval: number;
  /** Milliseconds from a touch to its round, so that a burst is one round. Default 50. */
  readonly gather?: number;
  readonly onError: (error: unknown) => void;
}

const firstRetry = 500;
const longestRetry = 30_000;

/** Works at every interval, and soon after a touch; never twice at once. */
export function runRounds({ work, interval, gather = 50, onError }: RoundsOptions): Rounds {
  const abort = new AbortController();
  let timer: NodeJS.Timeout | undefined;
  let running: Promise<void> | undefined;
  let isTouched = false;
  let failures = 0;

  function schedule(milliseconds: number): void {
    clearTimeout(timer);
    if (!abort.signal.aborted) timer = setTimeout(round, milliseconds);
  }

  function round(): void {
    isTouched = false;
    running = work(abort.signal).then(
      () => {
        failures = 0;
      },
      (error) => {
        failures += 1;
        if (!abort.signal.aborted) onError(error);
      },
    );
    void running.then(() => {
      running = undefined;
      const retry = Math.min(longestRetry, firstRetry * 2 ** Math.min(failures - 1, 10));
      schedule(isTouched ? gather : failures > 0 ? retry : interval);
    });
  }

  schedule(0);
  return {
    touch() {
      isTouched = true;
      if (!running && failures === 0) schedule(gather);
    },
    async [Symbol.asyncDispose]() {
      abort.abort();
      clearTimeout(timer);
      await running;
    },
  };
}
