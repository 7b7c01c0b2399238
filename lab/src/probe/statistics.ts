/** Figures of one probe within a window of time: pure functions of its recording. */
import type { Recording } from "./recording.ts";

/** From and to, in milliseconds as in `now()`; `from` is inside, `to` is outside. */
export interface Window {
  readonly from: number;
  readonly to: number;
}

/** What a report says of one probe during one migration. */
export interface ProbeFigures {
  /** Datagrams or lines sent within the window (lines expected, when the guest sends). */
  readonly sent: number;
  /** Of those, never answered, however late. */
  readonly lost: number;
  readonly duplicates: number;
  /** Longest time between two arrivals that follow each other, one of which may lie just outside the window. */
  readonly longestGapMs: number;
  /** When the longest gap began: the last arrival before it. */
  readonly longestGapAt: number;
  readonly resets: number;
  /** Connections that ended, or never carried data, while the probe wanted them. */
  readonly brokenConnections: number;
}

/** Computes a probe's figures for one window. */
export function computeFigures(recording: Recording, window: Window): ProbeFigures {
  const { arrivals, connection, plan } = recording;
  const counts = new Map<number, number>();
  for (const [sequence] of arrivals) counts.set(sequence, (counts.get(sequence) ?? 0) + 1);

  const sequences =
    plan.kind === "tcp-from-guest" ? pushedWithin(recording, window) : sentWithin(recording, window);
  let lost = 0;
  let duplicates = 0;
  for (const sequence of sequences) {
    const count = counts.get(sequence) ?? 0;
    if (count === 0) lost += 1;
    duplicates += Math.max(0, count - 1);
  }

  const gap = findLongestGap(recording, window);
  const events = connection.filter(({ at }) => isWithin(window, at));
  const isStream = plan.kind !== "udp-echo";
  const neverCarried = isStream && !arrivals.some(([, at]) => isWithin(window, at));
  const ended = events.filter(({ event }) => event !== "connected").length > 0;
  return {
    sent: sequences.length,
    lost,
    duplicates,
    longestGapMs: gap.length,
    longestGapAt: gap.at,
    resets: events.filter(({ event }) => event === "reset").length,
    brokenConnections: isStream && (ended || neverCarried) ? 1 : 0,
  };
}

/**
 * The longest time without an arrival. The window's end counts as an arrival only if nothing came after it at all:
 * a probe that fell silent for good must not look healthy.
 */
function findLongestGap({ arrivals }: Recording, window: Window): { length: number; at: number } {
  let longest = { length: 0, at: window.from };
  let previous = window.from;
  for (const [, at] of arrivals) {
    if (at < window.from) {
      previous = at;
      continue;
    }
    if (at - previous > longest.length) longest = { length: at - previous, at: previous };
    previous = at;
    if (at >= window.to) return longest;
  }
  if (window.to - previous > longest.length) longest = { length: window.to - previous, at: previous };
  return longest;
}

function sentWithin({ sent }: Recording, window: Window): number[] {
  return sent.flatMap((at, sequence) => (isWithin(window, at) ? [sequence] : []));
}

/** The numbers the guest must have pushed: all between the first and the last that arrived within the window. */
function pushedWithin({ arrivals }: Recording, window: Window): number[] {
  const seen = arrivals.filter(([, at]) => isWithin(window, at)).map(([sequence]) => sequence);
  if (seen.length === 0) return [];
  const first = seen.reduce((a, b) => Math.min(a, b));
  const last = seen.reduce((a, b) => Math.max(a, b));
  return Array.from({ length: last - first + 1 }, (_, index) => first + index);
}

function isWithin(window: Window, at: number): boolean {
  return at >= window.from && at < window.to;
}
