import {
  type Bird,
  birdConfiguration,
  type SelectorMatch,
  type Speaker,
  type SpeakerProblem,
} from "@fairlead/bgp";
import type { Clock, Timer } from "./clock.ts";

export interface BirdUpdaterOptions {
  readonly bird: Pick<Bird, "apply">;
  readonly clock: Clock;
  /** Undefined while the cluster is not known well enough. */
  read(): Speaker | undefined;
  readonly selects: SelectorMatch;
  readonly onApplied?: (outcome: string, problems: readonly SpeakerProblem[]) => void;
  readonly onError?: (error: unknown) => void;
}

export interface BirdUpdater {
  /** Something may have changed: look again soon. */
  touch(): void;
  close(): void;
}

/** Changes that come together become one configuration. */
const gatherFor = 20;
/** A BIRD that is down or refuses is tried again; one that restarted reads the file itself. */
const retryAfter = 2_000;
/** How often the file is compared with what it should be without any event. */
const checkEvery = 30_000;

/** Keeps BIRD's configuration as the cluster's objects want it. */
export function createBirdUpdater(options: BirdUpdaterOptions): BirdUpdater {
  const { bird, clock, read, selects, onApplied = () => {}, onError = () => {} } = options;
  const abort = new AbortController();
  let timer: Timer | undefined;
  let isRunning = false;
  let isTouched = false;

  function schedule(milliseconds: number): void {
    timer?.cancel();
    if (!abort.signal.aborted) timer = clock.after(milliseconds, () => void update());
  }

  async function update(): Promise<void> {
    if (isRunning) {
      isTouched = true;
      return;
    }
    isRunning = true;
    isTouched = false;
    let next = checkEvery;
    try {
      const speaker = read();
      if (speaker) {
        const { text, problems } = birdConfiguration(speaker, selects);
        onApplied(await bird.apply(text, abort.signal), problems);
      }
    } catch (error) {
      if (!abort.signal.aborted) onError(error);
      next = retryAfter;
    } finally {
      isRunning = false;
    }
    schedule(isTouched ? gatherFor : next);
  }

  return {
    touch() {
      if (isRunning) isTouched = true;
      else schedule(gatherFor);
    },
    close() {
      abort.abort();
      timer?.cancel();
    },
  };
}
