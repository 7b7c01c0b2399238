/** The report of a demo: what `lab/out/report.json` contains, computed from observations without looking at a clock. */

import type { RouteChange } from "../probe/route-watch.ts";
import { computeFigures, type ProbeFigures } from "../probe/statistics.ts";
import type { MigrationObservation } from "./observation.ts";

/** One probe during one migration. */
export interface ProbeReport extends Omit<ProbeFigures, "longestGapAt"> {
  readonly name: string;
  readonly family: 4 | 6;
  readonly kind: "tcp" | "udp";
  /** Longest gap less the guest's pause as QEMU reports it. */
  readonly networkAddedMs: number;
  /** Longest gap divided by the guest's pause. */
  readonly gapToPauseRatio: number;
  /** Payload received by the probe over its whole life. */
  readonly bytes: number;
}

/** A route change on its way into the report; `atMs` counts from the guest's resume on the target. */
export interface MetricChange {
  readonly atMs: number;
  readonly node: string;
  readonly family: 4 | 6;
  readonly change: RouteChange["change"];
  readonly metric: number;
  readonly origin: RouteChange["origin"];
}

/** One migration. */
export interface MigrationReport {
  readonly from: string;
  readonly to: string;
  /** From QEMU's STOP on the source to its RESUME on the target. */
  readonly qemuDowntimeMs: number;
  readonly totalMs: number;
  readonly announcement: { readonly kind: string; readonly afterResumeMs: number } | null;
  readonly elevated: {
    readonly kernelAfterAnnouncementMs: number | null;
    readonly torFibAfterAnnouncementMs: number | null;
  };
  /** From the guest's resume until the ToR forwarded both families to the target: the network's part of every gap. What a probe waits beyond it, it waits for the guest. */
  readonly pathRestoredAfterResumeMs: number | null;
  /** Packets that had reached the source and not its guest, and were sent on to the target. */
  readonly sentAfterGuest: number;
  readonly metricTimeline: readonly MetricChange[];
  /** From the elevated route's appearance on the target until the normal one had replaced it; null if it never did. */
  readonly revertedAfterMs: number | null;
  readonly policyReadyBeforeResume: boolean;
  readonly probes: readonly ProbeReport[];
}

/** The VM's addresses before, during and after. */
export interface VmReport {
  readonly ipv4: string;
  readonly ipv6: string;
  readonly addressKept: boolean;
  /** The guest's kernel ran on through both migrations. */
  readonly keptRunning: boolean;
  readonly afterRestart: { readonly ipv4: string; readonly ipv6: string };
}

/** `lab/out/report.json`. */
export interface Report {
  readonly vm: VmReport;
  readonly migrations: readonly MigrationReport[];
  readonly versions: Readonly<Record<string, string>>;
}

/** Priorities as the kernel's metrics. */
export const metrics = { normal: 1024, elevated: 512 } as const;

/** Turns what was seen of one migration into its report. */
export function reportMigration(observation: MigrationObservation): MigrationReport {
  const { announcement, guest, routes, to } = observation;
  const pauseMs = guest.resumedAt - guest.stoppedAt;
  const workload = routes.filter(({ where, origin }) => where === to && origin === "workload");
  const elevatedAt = whenBothFamilies(workload.filter(isAdded(metrics.elevated)));
  const torAt = whenBothFamilies(
    routes.filter(
      ({ where, change, gateway, at }) =>
        where === "tor" &&
        change === "added" &&
        gateway !== undefined &&
        observation.targetAddresses.includes(gateway) &&
        at >= (announcement?.at ?? observation.requestedAt),
    ),
  );
  const revertedAt =
    elevatedAt && whenBothFamilies(workload.filter((r) => r.at > elevatedAt && isAdded(metrics.normal)(r)));

  return {
    from: observation.from,
    to,
    qemuDowntimeMs: pauseMs,
    totalMs: guest.totalMs,
    announcement: announcement
      ? { kind: announcement.kind, afterResumeMs: announcement.at - guest.resumedAt }
      : null,
    elevated: {
      kernelAfterAnnouncementMs: difference(elevatedAt, announcement?.at),
      torFibAfterAnnouncementMs: difference(torAt, announcement?.at),
    },
    pathRestoredAfterResumeMs: difference(torAt, guest.resumedAt),
    sentAfterGuest: observation.stragglers,
    metricTimeline: routes
      .filter(({ where }) => where !== "tor")
      .map(({ at, where, family, change, metric, origin }) => ({
        atMs: at - guest.resumedAt,
        node: where,
        family,
        change,
        metric,
        origin,
      })),
    revertedAfterMs: difference(revertedAt, elevatedAt),
    policyReadyBeforeResume:
      observation.policyReadyAt !== undefined && observation.policyReadyAt < guest.resumedAt,
    probes: observation.recordings.map((recording) => {
      const { longestGapAt: _, ...figures } = computeFigures(recording, observation.window);
      return {
        name: recording.plan.name,
        family: recording.plan.family,
        kind: recording.plan.kind === "udp-echo" ? "udp" : "tcp",
        ...figures,
        networkAddedMs: figures.longestGapMs - pauseMs,
        gapToPauseRatio: figures.longestGapMs / pauseMs,
        bytes: recording.bytes,
      };
    }),
  };
}

/** What must hold for the demo to succeed; each broken promise is one sentence. An empty list is success. */
export function findBrokenPromises(report: Report): string[] {
  const broken: string[] = [];
  const { vm } = report;
  if (!vm.addressKept) broken.push(`the VM did not keep ${vm.ipv4} and ${vm.ipv6} while it moved`);
  if (!vm.keptRunning) broken.push("the guest's kernel started anew while it moved");
  if (vm.afterRestart.ipv4 !== vm.ipv4 || vm.afterRestart.ipv6 !== vm.ipv6) {
    broken.push(`after stop and start the VM has ${vm.afterRestart.ipv4} and ${vm.afterRestart.ipv6}`);
  }
  for (const migration of report.migrations) {
    const name = `${migration.from} to ${migration.to}`;
    if (!migration.policyReadyBeforeResume)
      broken.push(`${name}: the guest ran before its policy was in force`);
    if (migration.announcement === null) broken.push(`${name}: no announcement was heard`);
    for (const change of findEarlyRoutes(migration)) {
      broken.push(
        `${name}: the target had a route (metric ${change.metric}) ${-change.atMs} ms before the guest resumed`,
      );
    }
    if (migration.revertedAfterMs === null) broken.push(`${name}: the priority did not return to normal`);
    for (const probe of migration.probes) {
      if (probe.brokenConnections > 0) broken.push(`${name}: ${probe.name} lost its connection`);
      if (probe.resets > 0) broken.push(`${name}: ${probe.name} was reset`);
    }
  }
  return broken;
}

/** Routes to the guest that the target had before the announcement could have been heard. */
function findEarlyRoutes(migration: MigrationReport): MetricChange[] {
  const announcedAt = migration.announcement?.afterResumeMs ?? 0;
  return migration.metricTimeline.filter(
    ({ node, origin, change, atMs }) =>
      node === migration.to && origin === "workload" && change === "added" && atMs < announcedAt,
  );
}

const isAdded = (metric: number) => (route: RouteChange) =>
  route.change === "added" && route.metric === metric;

/** When the later of the two families had its first such change; undefined unless both have. */
function whenBothFamilies(changes: readonly RouteChange[]): number | undefined {
  const first = ([4, 6] as const).map((family) => changes.find((change) => change.family === family)?.at);
  return first[0] === undefined || first[1] === undefined ? undefined : Math.max(first[0], first[1]);
}

function difference(later: number | undefined, earlier: number | undefined): number | null {
  return later === undefined || earlier === undefined ? null : later - earlier;
}
