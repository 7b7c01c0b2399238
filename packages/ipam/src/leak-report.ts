import { parseJson } from "@fairlead/api";
import { attribute } from "./attributes.ts";
import { sameSequence } from "./block-draft.ts";
import type { CheckedAddress, CheckReport } from "./check.ts";
import type { Engine } from "./engine.ts";
import { IpamError } from "./errors.ts";
import { type ReleaseResult, releaseAddresses } from "./release-addresses.ts";
import type { Sequence } from "./resources.ts";

/** What describes the cluster a report was written for. */
export interface ReportContext {
  /** Version of the command line. */
  readonly version: string;
  readonly clusterGUID: string;
  /** Revision of the ClusterInformation object. */
  readonly clusterInformationRevision: string;
  /** `spec.clusterType` of it. */
  readonly clusterType: string;
  /** Nobody allocates: ClusterInformation.datastoreReady is false. */
  readonly datastoreLocked: boolean;
}

/** One address in a report, in the incumbent's fields; `reason` is ours. */
interface ReportedAllocation {
  readonly ip: string;
  readonly handle?: string | undefined;
  readonly sequenceNumber?: Sequence | undefined;
  readonly pod?: string | undefined;
  readonly namespace?: string | undefined;
  readonly node?: string | undefined;
  readonly type?: string | undefined;
  readonly creationTimestamp?: string | undefined;
  readonly inUse: boolean;
  readonly borrowed?: boolean | undefined;
  readonly owners: readonly string[] | null;
  readonly reason?: string | undefined;
}

/** The file `ipam check -o` writes and `ipam release --from-report` reads: the incumbent's, so either reads the other's. */
export interface LeakReport {
  readonly version: string;
  readonly clusterGUID: string;
  readonly datastoreLocked: boolean;
  readonly clusterInformationRevision: string;
  readonly clusterType: string;
  /** By address. */
  readonly allocations: Readonly<Record<string, readonly ReportedAllocation[]>>;
  /** IPAMHandle objects without addresses. */
  readonly leakedHandles?:
    | readonly { readonly ID: string; readonly UID: string | null; readonly Revision: string }[]
    | undefined;
}

/** The report as `ipam release --from-report` reads it. Keys that the incumbent leaves out when there is nothing to say are left out. */
export function writeLeakReport(report: CheckReport, context: ReportContext): LeakReport {
  const { version, clusterGUID, clusterType, datastoreLocked, clusterInformationRevision } = context;
  const leakedHandles = report.handles.unused.map(({ handle, uid, resourceVersion }) => ({
    ID: handle,
    UID: uid ?? null,
    Revision: resourceVersion ?? "",
  }));
  return {
    version,
    clusterGUID,
    datastoreLocked,
    clusterInformationRevision,
    clusterType,
    allocations: Object.fromEntries(report.allocations.map((one) => [one.address, [reported(one)]])),
    ...(leakedHandles.length > 0 ? { leakedHandles } : {}),
  };
}

function reported({ address, handle, sequence, owner, node, isBorrowed, inUse, why, users }: CheckedAddress) {
  return {
    ip: address,
    handle,
    sequenceNumber: sequence ?? 0,
    pod: owner?.[attribute.pod],
    namespace: owner?.[attribute.namespace],
    node,
    type: owner?.[attribute.type],
    creationTimestamp: owner?.[attribute.timestamp],
    inUse,
    borrowed: isBorrowed || undefined,
    owners: users.length > 0 ? users : null,
    reason: why,
  };
}

/** @throws IpamError ReportMismatch */
export function parseLeakReport(text: string, file: string): LeakReport {
  const wrong = (message: string, cause?: unknown) =>
    new IpamError("ReportMismatch", message, { object: file, cause });
  let report: unknown;
  try {
    report = parseJson(text);
  } catch (cause) {
    throw wrong("is not JSON", cause);
  }
  if (!isLeakReport(report)) throw wrong("is not a report of ipam check");
  return report;
}

function isLeakReport(value: unknown): value is LeakReport {
  if (typeof value !== "object" || value === null) return false;
  const { version, clusterGUID, allocations, leakedHandles } = value as Partial<LeakReport>;
  return (
    typeof version === "string" &&
    typeof clusterGUID === "string" &&
    typeof allocations === "object" &&
    allocations !== null &&
    Object.values(allocations).every((list) => Array.isArray(list) && list.every(isAllocation)) &&
    (leakedHandles === undefined || leakedHandles === null || Array.isArray(leakedHandles))
  );
}

function isAllocation(value: unknown): value is ReportedAllocation {
  if (typeof value !== "object" || value === null) return false;
  const { ip, inUse, handle, sequenceNumber } = value as Partial<ReportedAllocation>;
  return (
    typeof ip === "string" &&
    typeof inUse === "boolean" &&
    ["string", "undefined"].includes(typeof handle) &&
    ["number", "bigint", "undefined"].includes(typeof sequenceNumber)
  );
}

/** What came of a release by reports. */
export interface ReportedRelease extends ReleaseResult {
  /** IPAMHandle objects without addresses, deleted. */
  readonly deletedHandles: readonly string[];
  /** Handles that are gone or were written since the report. */
  readonly skippedHandles: readonly string[];
}

/**
 * Frees what every one of the reports calls leaked, each address and handle only if it is still the same.
 * @throws IpamError ReportMismatch, DatastoreNotLocked; `force` overrides version and lock
 */
export async function releaseFromReports(
  engine: Engine,
  reports: readonly LeakReport[],
  now: ReportContext,
  { force = false }: { readonly force?: boolean } = {},
): Promise<ReportedRelease> {
  const [first, ...others] = reports;
  if (!first) throw new IpamError("ReportMismatch", "no report was given");
  for (const report of reports) checkReport(report, now, force);
  if (!now.datastoreLocked && !force)
    throw new IpamError("DatastoreNotLocked", "addresses may change while they are released");
  const isCurrent = ({ clusterInformationRevision }: LeakReport) =>
    clusterInformationRevision === now.clusterInformationRevision;
  if (!force && !reports.some(isCurrent))
    throw new IpamError("ReportMismatch", "no report matches the current revision of ClusterInformation");
  const same = (a: ReportedAllocation, b: ReportedAllocation) =>
    !b.inUse && a.ip === b.ip && a.handle === b.handle && sameSequence(a.sequenceNumber, b.sequenceNumber);
  const leaked = Object.values(first.allocations)
    .flat()
    .filter((one) => !one.inUse)
    .filter((one) =>
      others.every(({ allocations }) => allocations[one.ip]?.some((other) => same(one, other)) ?? false),
    );
  const released = await releaseAddresses(
    engine,
    leaked.map(({ ip, handle, sequenceNumber, namespace = "", pod = "" }) => ({
      address: ip,
      handle,
      sequence: sequenceNumber,
      owner: { namespace, pod },
    })),
  );
  const handles = (first.leakedHandles ?? []).filter(({ ID, Revision }) =>
    others.every(({ leakedHandles }) =>
      leakedHandles?.some((other) => other.ID === ID && other.Revision === Revision),
    ),
  );
  const deletedHandles: string[] = [];
  const skippedHandles: string[] = [];
  for (const { ID, UID, Revision } of handles) {
    let isSame = false;
    await engine.handles.update(ID, (present) => {
      isSame = present?.metadata.uid === UID && present?.metadata.resourceVersion === Revision;
      return isSame ? null : undefined;
    });
    (isSame ? deletedHandles : skippedHandles).push(ID);
  }
  return { ...released, deletedHandles, skippedHandles };
}

function checkReport(report: LeakReport, now: ReportContext, force: boolean) {
  if (report.clusterGUID !== now.clusterGUID)
    throw new IpamError(
      "ReportMismatch",
      `the report is of cluster ${report.clusterGUID}, this is ${now.clusterGUID}`,
    );
  if (report.version !== now.version && !force)
    throw new IpamError(
      "ReportMismatch",
      `the report is of version ${report.version}, this is ${now.version}`,
    );
}
