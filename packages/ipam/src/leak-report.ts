import type { CheckReport } from "./check.ts";
import type { Engine } from "./engine.ts";
import { IpamError } from "./errors.ts";
import { type ReleaseResult, releaseAddresses } from "./release-addresses.ts";

/** What describes the cluster a report was written for. */
export interface ReportContext {
  /** Version of the command line. */
  readonly version: string;
  readonly clusterGUID: string;
  /** Revision of the ClusterInformation object. */
  readonly clusterInfoRevision: string;
  /** Nobody allocates: ClusterInformation.datastoreReady is false. */
  readonly datastoreLocked: boolean;
}

/** The file `ipam check -o` writes and `ipam release --from-report` reads. */
export interface LeakReport extends ReportContext {
  /** Address to its allocation. Sequence numbers are texts: they exceed what a JSON number holds exactly. */
  readonly allocations: Readonly<
    Record<
      string,
      {
        readonly handle?: string | undefined;
        readonly sequenceNumber?: string | undefined;
        readonly inUse: boolean;
        readonly reason: string;
      }
    >
  >;
}

export function writeLeakReport(report: CheckReport, context: ReportContext): LeakReport {
  return {
    ...context,
    allocations: Object.fromEntries(
      report.allocations.map(({ address, handle, sequence, inUse, why }) => [
        address,
        { handle, sequenceNumber: sequence === undefined ? undefined : String(sequence), inUse, reason: why },
      ]),
    ),
  };
}

/** @throws IpamError ReportMismatch */
export function parseLeakReport(text: string, file: string): LeakReport {
  const wrong = (message: string, cause?: unknown) =>
    new IpamError("ReportMismatch", message, { object: file, cause });
  let report: unknown;
  try {
    report = JSON.parse(text);
  } catch (cause) {
    throw wrong("is not JSON", cause);
  }
  if (!isLeakReport(report)) throw wrong("is not a report of ipam check");
  return report;
}

function isLeakReport(value: unknown): value is LeakReport {
  if (typeof value !== "object" || value === null) return false;
  const { version, clusterGUID, allocations } = value as Partial<LeakReport>;
  return (
    typeof version === "string" &&
    typeof clusterGUID === "string" &&
    typeof allocations === "object" &&
    allocations !== null
  );
}

/**
 * Frees what every one of the reports calls leaked, each address only if it is still the same allocation.
 * @throws IpamError ReportMismatch, DatastoreNotLocked; `force` overrides version and lock
 */
export async function releaseFromReports(
  engine: Engine,
  reports: readonly LeakReport[],
  now: ReportContext,
  { force = false }: { readonly force?: boolean } = {},
): Promise<ReleaseResult> {
  const [first, ...others] = reports;
  if (!first) throw new IpamError("ReportMismatch", "no report was given");
  for (const report of reports) {
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
  if (!now.datastoreLocked && !force)
    throw new IpamError("DatastoreNotLocked", "addresses may change while they are released");
  if (!force && !reports.some(({ clusterInfoRevision }) => clusterInfoRevision === now.clusterInfoRevision))
    throw new IpamError("ReportMismatch", "no report matches the current revision of ClusterInformation");
  const leaked = Object.entries(first.allocations).filter(([address, { inUse, handle, sequenceNumber }]) => {
    if (inUse) return false;
    return others.every(({ allocations }) => {
      const other = allocations[address];
      return other && !other.inUse && other.handle === handle && other.sequenceNumber === sequenceNumber;
    });
  });
  return releaseAddresses(
    engine,
    leaked.map(([address, { handle, sequenceNumber }]) => ({
      address,
      handle,
      sequence: sequenceNumber === undefined ? undefined : BigInt(sequenceNumber),
    })),
  );
}
