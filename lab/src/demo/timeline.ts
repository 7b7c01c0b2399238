/** One migration as lanes over time: the shape that both the terminal and the HTML page draw. */
import type { MigrationObservation } from "./observation.ts";

/** A moment worth a vertical line; `atMs` counts from the guest's resume. */
export interface Mark {
  readonly atMs: number;
  readonly label: string;
}

/** A probe's silence: for each slice of time, the longest gap (ms) that touches it. */
export interface Lane {
  readonly name: string;
  readonly gaps: readonly number[];
}

/** What is drawn. */
export interface Timeline {
  readonly fromMs: number;
  readonly toMs: number;
  /** Guest pause, relative to resume. */
  readonly pause: { readonly fromMs: number; readonly toMs: number };
  readonly marks: readonly Mark[];
  readonly lanes: readonly Lane[];
}

/** Cuts a migration into `slices` equal slices between `fromMs` and `toMs` around the guest's resume. */
export function buildTimeline(
  observation: MigrationObservation,
  { fromMs, toMs, slices }: { fromMs: number; toMs: number; slices: number },
): Timeline {
  const { guest, announcement, routes, to, targetAddresses } = observation;
  const zero = guest.resumedAt;
  const width = (toMs - fromMs) / slices;
  const marks: Mark[] = [];
  if (announcement)
    marks.push({ atMs: announcement.at - zero, label: `announcement (${announcement.kind})` });
  for (const { at, where, family, change, gateway, metric, origin } of routes) {
    if (change !== "added") continue;
    if (where === to && origin === "workload") {
      marks.push({ atMs: at - zero, label: `${where} route metric ${metric} (IPv${family})` });
    } else if (where === "tor" && gateway !== undefined && targetAddresses.includes(gateway)) {
      marks.push({ atMs: at - zero, label: `ToR forwards to ${to} (IPv${family})` });
    }
  }

  const lanes = observation.recordings.map(({ plan, arrivals }) => {
    const gaps = new Array<number>(slices).fill(0);
    for (let i = 1; i < arrivals.length; i += 1) {
      const begin = arrivals[i - 1]![1] - zero;
      const end = arrivals[i]![1] - zero;
      if (end < fromMs || begin > toMs) continue;
      const first = Math.max(0, Math.floor((begin - fromMs) / width));
      const last = Math.min(slices - 1, Math.floor((end - fromMs) / width));
      for (let slice = first; slice <= last; slice += 1) gaps[slice] = Math.max(gaps[slice]!, end - begin);
    }
    return { name: plan.name, gaps };
  });

  return {
    fromMs,
    toMs,
    pause: { fromMs: guest.stoppedAt - zero, toMs: 0 },
    marks: marks.filter(({ atMs }) => atMs >= fromMs && atMs <= toMs).sort((a, b) => a.atMs - b.atMs),
    lanes,
  };
}
