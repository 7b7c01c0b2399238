/** `lab/out/report.html`: one self-contained page, no script, no request to anywhere. */
import type { MigrationObservation } from "./observation.ts";
import { findBrokenPromises, type MigrationReport, type Report } from "./report.ts";
import { buildTimeline, type Timeline } from "./timeline.ts";

const plot = { width: 960, left: 170, laneHeight: 34, top: 20 };

const style = `
:root { color-scheme: light dark; font: 15px/1.5 system-ui, sans-serif; }
body { max-width: 1000px; margin: 2rem auto; padding: 0 1rem; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; }
th, td { padding: .15rem .7rem; text-align: right; border-bottom: 1px solid #8884; }
th:first-child, td:first-child { text-align: left; }
svg { width: 100%; height: auto; } svg text { font: 11px system-ui, sans-serif; fill: currentColor; }
.pause { fill: #f5a62344; } .gap { fill: #3273dc; } .mark { stroke: #d0021b; stroke-width: 1; }
.frame { fill: none; stroke: #8886; } .good { color: #1a7f37; } .bad { color: #d0021b; }`;

/** Renders the page. Observations are in the order of the report's migrations. */
export function renderHtml(report: Report, observations: readonly MigrationObservation[]): string {
  const broken = findBrokenPromises(report);
  const verdict =
    broken.length === 0
      ? `<p class="good">Every promise was kept.</p>`
      : `<ul class="bad">${broken.map((sentence) => `<li>${escapeHtml(sentence)}</li>`).join("")}</ul>`;
  const { vm } = report;
  return `<!doctype html>
<html lang="en"><meta charset="utf-8"><title>Fairlead: live migration report</title><style>${style}</style>
<h1>Live migration report</h1>
${verdict}
<p>The VM has ${escapeHtml(vm.ipv4)} and ${escapeHtml(vm.ipv6)}; after stop and start ${escapeHtml(vm.afterRestart.ipv4)} and ${escapeHtml(vm.afterRestart.ipv6)}.</p>
${report.migrations.map((migration, i) => renderMigration(migration, observations[i])).join("\n")}
<h2>Versions</h2>
<table>${Object.entries(report.versions)
    .map(([name, version]) => `<tr><td>${escapeHtml(name)}</td><td>${escapeHtml(version)}</td></tr>`)
    .join("")}</table>
</html>
`;
}

function renderMigration(migration: MigrationReport, observation: MigrationObservation | undefined): string {
  const { elevated, announcement } = migration;
  const facts = [
    `guest paused ${ms(migration.qemuDowntimeMs)} (QEMU), whole migration ${ms(migration.totalMs)}`,
    announcement
      ? `announced by ${announcement.kind} ${ms(announcement.afterResumeMs)} after resume`
      : "no announcement was heard",
    `elevated route in the target's kernel ${ms(elevated.kernelAfterAnnouncementMs)} and in the ToR's ${ms(elevated.torFibAfterAnnouncementMs)} after the announcement`,
    `${migration.sentAfterGuest} packets sent after the guest`,
    `normal priority again ${ms(migration.revertedAfterMs)} after elevation`,
  ];
  const rows = migration.probes.map((probe) => {
    const cells = [
      probe.sent,
      probe.lost,
      probe.duplicates,
      ms(probe.longestGapMs),
      ms(probe.networkAddedMs),
    ];
    return `<tr><td>${escapeHtml(probe.name)}</td>${[
      ...cells,
      `×${probe.gapToPauseRatio.toFixed(2)}`,
      probe.resets,
      probe.brokenConnections,
    ]
      .map((cell) => `<td>${cell}</td>`)
      .join("")}</tr>`;
  });
  const drawing = observation
    ? drawTimeline(buildTimeline(observation, { fromMs: -250, toMs: 500, slices: 750 }))
    : "";
  return `<h2>${escapeHtml(migration.from)} → ${escapeHtml(migration.to)}</h2>
<ul>${facts.map((fact) => `<li>${escapeHtml(fact)}</li>`).join("")}</ul>
${drawing}
<table><tr><th>probe</th><th>sent</th><th>lost</th><th>duplicates</th><th>longest gap</th><th>network added</th><th>gap / pause</th><th>resets</th><th>broken</th></tr>
${rows.join("\n")}</table>`;
}

/** Lanes one below the other: a bar's height is the length of the gap it lies in, cut at 200 ms. */
function drawTimeline({ fromMs, toMs, pause, marks, lanes }: Timeline): string {
  const height = plot.top + lanes.length * plot.laneHeight + 24;
  const x = (atMs: number) =>
    plot.left + ((Math.max(fromMs, atMs) - fromMs) / (toMs - fromMs)) * (plot.width - plot.left);
  const slice = (plot.width - plot.left) / (lanes[0]?.gaps.length ?? 1);
  const bars = lanes.map(({ name, gaps }, row) => {
    const bottom = plot.top + (row + 1) * plot.laneHeight;
    const path = gaps.map((gap, i) => {
      const top = bottom - (Math.min(gap, 200) / 200) * (plot.laneHeight - 4);
      return `M${(plot.left + i * slice).toFixed(1)} ${bottom}V${top.toFixed(1)}h${slice.toFixed(2)}V${bottom}Z`;
    });
    return `<text x="0" y="${bottom - 10}">${escapeHtml(name)}</text><path class="gap" d="${path.join("")}"/><path class="frame" d="M${plot.left} ${bottom}H${plot.width}"/>`;
  });
  const ticks = Array.from({ length: Math.floor((toMs - fromMs) / 50) + 1 }, (_, i) => fromMs + i * 50);
  return `<svg viewBox="0 0 ${plot.width} ${height}" role="img" aria-label="Probe gaps over time">
<rect class="pause" x="${x(pause.fromMs).toFixed(1)}" y="${plot.top}" width="${(x(pause.toMs) - x(pause.fromMs)).toFixed(1)}" height="${lanes.length * plot.laneHeight}"/>
${bars.join("\n")}
${marks.map(({ atMs, label }) => `<line class="mark" x1="${x(atMs).toFixed(1)}" x2="${x(atMs).toFixed(1)}" y1="${plot.top}" y2="${height - 24}"><title>${escapeHtml(label)} at ${atMs.toFixed(1)} ms</title></line>`).join("\n")}
${ticks.map((tick) => `<text x="${x(tick).toFixed(1)}" y="${height - 8}" text-anchor="middle">${tick}</text>`).join("")}
<text x="0" y="${height - 8}">ms from the guest's resume</text>
</svg>`;
}

function ms(value: number | null): string {
  return value === null ? "never" : `${value.toFixed(1)} ms`;
}

function escapeHtml(text: string): string {
  return text.replace(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`);
}
