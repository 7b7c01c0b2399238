import { closeSync, mkdirSync, openSync, writeSync } from "node:fs";
import { dirname } from "node:path";

/** What the agent tells of itself, one JSON object per line. `at`: nanoseconds of CLOCK_MONOTONIC, as a decimal string. */
export type TimelineEvent =
  | {
      readonly event: "endpoint-added" | "endpoint-removed";
      readonly endpoint: string;
      readonly role: string;
    }
  | { readonly event: "policy-ready"; readonly endpoint: string }
  | {
      readonly event: "announcement";
      readonly endpoint: string;
      readonly kind: string;
      readonly mac: string;
      readonly at: bigint;
    }
  | {
      readonly event: "route-added" | "route-removed";
      readonly endpoint: string;
      readonly destination: string;
      readonly family: 4 | 6;
      readonly metric: number;
      readonly at?: bigint;
    }
  | {
      readonly event: "state";
      readonly endpoint: string;
      readonly from: string;
      readonly to: string;
      readonly epoch: number;
      readonly because: string;
    }
  | { readonly event: "promoted"; readonly endpoint: string; readonly attempts: number }
  | { readonly event: "promotion-declined"; readonly endpoint: string; readonly attempt: number }
  | {
      readonly event: "promotion-failed";
      readonly endpoint: string;
      readonly attempt: number;
      readonly error: string;
    }
  | {
      readonly event: "stragglers";
      readonly endpoint: string;
      readonly family: 4 | 6;
      readonly packets: number;
    }
  | { readonly event: "reverted"; readonly endpoint: string; readonly afterMs: number };

export interface Timeline {
  /** `at` is now unless the event brings its own. Never throws: losing a line must not lose a route. */
  record(event: TimelineEvent): void;
}

const monotonicNow = process.hrtime.bigint;

/** Appends to a file; one that cannot be opened or written is reported once and does no harm. */
export function openTimeline(
  path: string,
  onError: (error: unknown) => void = () => {},
): Timeline & Disposable {
  let broken = false;
  const fd = open();
  function open(): number | undefined {
    try {
      mkdirSync(dirname(path), { recursive: true });
      return openSync(path, "a", 0o644);
    } catch (error) {
      onError(error);
      return undefined;
    }
  }
  return {
    record(event) {
      if (fd === undefined) return;
      try {
        const at = ("at" in event ? event.at : undefined) ?? monotonicNow();
        writeSync(fd, `${JSON.stringify({ ...event, at: String(at) })}\n`);
      } catch (error) {
        if (!broken) onError(error);
        broken = true;
      }
    },
    [Symbol.dispose]: () => void (fd !== undefined && closeSync(fd)),
  };
}

/** Keeps events in memory, for tests. */
export function createFakeTimeline(): Timeline & { readonly events: readonly TimelineEvent[] } {
  const events: TimelineEvent[] = [];
  return { events, record: (event) => void events.push(event) };
}
