/** Draws a migration for a terminal of ordinary width. */
import type { MigrationObservation } from "./observation.ts";
import type { MigrationReport } from "./report.ts";
import { buildTimeline } from "./timeline.ts";

const columns = 70;
const nameWidth = 24;
const shades: readonly (readonly [longerThanMs: number, character: string])[] = [
  [40, "█"],
  [25, "▓"],
  [15, "▒"],
  [0, "░"],
];

/** The lanes of one migration, from 150 ms before the guest's resume to 200 ms after it, and the figures beside them. */
export function drawMigration(observation: MigrationObservation, report: MigrationReport): string {
  const timeline = buildTimeline(observation, { fromMs: -150, toMs: 200, slices: columns });
  const column = (atMs: number) =>
    Math.min(columns - 1, Math.max(0, Math.floor(((atMs - timeline.fromMs) / 350) * columns)));

  const axis = Array.from({ length: columns }, () => " ");
  for (const ms of [-150, -100, -50, 0, 50, 100, 150]) place(axis, column(ms), String(ms));
  const pause = Array.from({ length: columns }, (_, i) =>
    i >= column(timeline.pause.fromMs) && i < column(0) ? "█" : "·",
  );
  const marks = Array.from({ length: columns }, () => " ");
  for (const { atMs } of timeline.marks) marks[column(atMs)] = "▲";

  const lines = [
    `${report.from} → ${report.to}: guest paused ${report.qemuDowntimeMs.toFixed(0)} ms (QEMU), whole migration ${(report.totalMs / 1000).toFixed(1)} s`,
    report.pathRestoredAfterResumeMs === null
      ? "the ToR never forwarded both families to the target"
      : `the network led to the target ${report.pathRestoredAfterResumeMs.toFixed(1)} ms after the guest's resume`,
    `${report.sentAfterGuest} packets that had come for it where it was were sent after it`,
    lane("ms from resume", axis.join("")),
    lane("guest paused", pause.join("")),
    lane("events", marks.join("")),
  ];
  for (const { name, gaps } of timeline.lanes) {
    const probe = report.probes.find((candidate) => candidate.name === name);
    const figures = probe
      ? ` gap ${probe.longestGapMs.toFixed(0)} ms = pause ${probe.networkAddedMs >= 0 ? "+" : "−"} ${Math.abs(probe.networkAddedMs).toFixed(0)} (×${probe.gapToPauseRatio.toFixed(2)}), lost ${probe.lost}`
      : "";
    lines.push(lane(name, gaps.map(shade).join("")) + figures);
  }
  for (const { atMs, label } of timeline.marks) lines.push(`  ${atMs.toFixed(1).padStart(8)} ms  ${label}`);
  return lines.join("\n");
}

function lane(name: string, text: string): string {
  return `${name.padEnd(nameWidth)}│${text}│`;
}

function shade(gapMs: number): string {
  if (gapMs === 0) return " ";
  return shades.find(([longerThan]) => gapMs > longerThan)?.[1] ?? " ";
}

function place(characters: string[], at: number, text: string): void {
  for (const [offset, character] of [...text].entries()) {
    if (at + offset < characters.length) characters[at + offset] = character;
  }
}
