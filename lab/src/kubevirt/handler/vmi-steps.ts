/**
 * What virt-handler writes into a VMI, as functions from what it sees to the VMI as it should be. Each returns the same
 * object when there is nothing to write.
 */
import type { MigrationState, VirtualMachineInstance } from "@fairlead/api";
import { type Plan, planIn } from "../faults.ts";
import type { LauncherStatus } from "../launcher-protocol.ts";
import { liveMigratable } from "../migratability.ts";
import { defaultLimits, type MigrationLimits } from "../migration-monitor.ts";
import { labels } from "../names.ts";
import type { PodNetwork } from "../pod-network.ts";
import { draft, enterPhase, isFinal, statusOf, withCondition } from "../status.ts";

type Vmi = VirtualMachineInstance;

/** The parts a node has in a VMI right now. */
export type Role = "current" | "source" | "target";

export function rolesOf(vmi: Vmi, node: string): ReadonlySet<Role> {
  const roles = new Set<Role>();
  const state = vmi.status?.migrationState;
  const phase = vmi.status?.phase;
  if (vmi.status?.nodeName === node && (phase === "Scheduled" || phase === "Running")) roles.add("current");
  if (state?.sourceNode === node) roles.add("source");
  if (state?.targetNode === node) roles.add("target");
  return roles;
}

export function limitsIn(state: MigrationState | undefined): MigrationLimits {
  const { progressTimeout, completionTimeoutPerGiB, allowPostCopy } = (state?.migrationConfiguration ??
    {}) as Partial<MigrationLimits>;
  return {
    progressTimeout: progressTimeout ?? defaultLimits.progressTimeout,
    completionTimeoutPerGiB: completionTimeoutPerGiB ?? defaultLimits.completionTimeoutPerGiB,
    allowPostCopy: allowPostCopy ?? defaultLimits.allowPostCopy,
  };
}

/** The guest runs: phase, interface status, conditions. */
export function reportRunning(vmi: Vmi, launcher: LauncherStatus, network: PodNetwork, now: string): Vmi {
  const next = draft(vmi);
  const status = statusOf(next);
  enterPhase(status, "Running", now);
  status.interfaces = [interfaceStatus(vmi, launcher, network)];
  status.conditions = withCondition(status.conditions, liveMigratable(vmi));
  // The guest's whole system is its initramfs: there is no disk to copy.
  status.migrationMethod = "LiveMigration";
  return unlessSame(vmi, next);
}

/** As from 1.8.x on, the pod's IPv6 address is not reported for the bridge binding. */
function interfaceStatus(vmi: Vmi, launcher: LauncherStatus, network: PodNetwork) {
  const address = network.ipv4[0]?.split("/")[0];
  return {
    name: vmi.status?.interfaces?.[0]?.name ?? "default",
    ...(launcher.domain && { mac: launcher.domain.mac }),
    ...(address !== undefined && { ipAddress: address, ipAddresses: [address] }),
    podInterfaceName: "eth0",
    infoSource: "domain",
    queueCount: 1,
    linkState: "up",
  };
}

/** The domain ended without anybody asking: powered off by the guest, or dead. */
export function reportEnd(vmi: Vmi, launcher: LauncherStatus, now: string): Vmi {
  const ended = launcher.state === "shutoff" || launcher.state === "crashed";
  if (!ended || isFinal(vmi.status?.phase)) return vmi;
  const next = draft(vmi);
  enterPhase(statusOf(next), launcher.state === "shutoff" ? "Succeeded" : "Failed", now);
  return next;
}

export function reportTargetPrepared(vmi: Vmi, address: string, ports: Record<string, number>): Vmi {
  return changeState(vmi, { targetNodeAddress: address, targetDirectMigrationNodePorts: ports });
}

/**
 * What the target learns from its launcher. KubeVirt's launcher has no word of the domain before libvirt's job is over, so that
 * all comes in one write: the domain is there, the guest runs here, the node takes over (the "ack"). Then: done. With separate
 * reports the first two are written as soon as they are so, as virt-handler's source would have it.
 */
export function reportTarget(
  vmi: Vmi,
  node: string,
  { state, migration }: LauncherStatus,
  mayAcknowledge: boolean,
): Vmi {
  const told = vmi.status?.migrationState;
  if (told?.failed || told?.completed || state === "none") return vmi;
  if (migration?.uid !== told?.migrationUid || migration?.role !== "target") return vmi;
  if (told?.endTimestamp) return changeState(vmi, { completed: true });
  const { loseAck, separateReports } = planIn(told);
  const seen: Partial<MigrationState> = {
    targetNodeDomainDetected: true,
    ...(migration.readyTimestamp !== undefined && {
      targetNodeDomainReadyTimestamp: migration.readyTimestamp,
    }),
  };
  // A domain that has ended since is never acknowledged.
  const hasArrived = state === "running" && migration.endTimestamp !== undefined;
  if (hasArrived && mayAcknowledge && !loseAck) {
    const startTimestamp = told?.startTimestamp ?? migration.startTimestamp;
    return acknowledge(vmi, node, {
      ...seen,
      ...(startTimestamp !== undefined && { startTimestamp }),
      endTimestamp: migration.endTimestamp,
    });
  }
  return separateReports ? changeState(vmi, seen) : vmi;
}

/** One write: the guest's node is this one. Its interfaces are reported later, by the part of virt-handler that has the guest. */
function acknowledge(vmi: Vmi, node: string, change: Partial<MigrationState>): Vmi {
  const next = changeState(vmi, change);
  const status = statusOf(next);
  status.nodeName = node;
  status.evacuationNodeName = "";
  next.metadata.labels = { ...next.metadata.labels, [labels.nodeName]: node };
  return next;
}

/** The final clean-up of a target, after success and after failure. */
export function removeTargetLabel(vmi: Vmi): Vmi {
  if (vmi.metadata.labels?.[labels.migrationTargetNode] === undefined) return vmi;
  const next = draft(vmi);
  delete next.metadata.labels![labels.migrationTargetNode];
  return next;
}

/** The copy has begun. Whatever else the source writes carries this along, so it may come long after. */
export function reportStarted(vmi: Vmi, start: string): Vmi {
  const state = vmi.status?.migrationState;
  if (state?.startTimestamp) return vmi;
  return changeState(vmi, { startTimestamp: start, mode: state?.mode ?? "PreCopy" });
}

/**
 * What the source's virt-handler makes of the interface of a guest that has left: it has torn down what it knew of the pod's
 * network, and sometimes the domain with the MAC is gone as well. So it stays until the target reports its guest.
 */
export function forgetInterface(vmi: Vmi, { forgetsMac }: Plan): Vmi {
  const next = draft(vmi);
  const [known] = vmi.status?.interfaces ?? [];
  const { ipAddress: _, ipAddresses: __, ...domain } = known ?? {};
  const { name = "default", podInterfaceName = "eth0" } = domain;
  statusOf(next).interfaces = [{ ...(forgetsMac ? {} : domain), name, podInterfaceName }];
  return unlessSame(vmi, next);
}

/**
 * What the source learns from its launcher: the guest has switched by post-copy, or QEMU gave up. Then the guest runs on
 * here, or has ended with its domain: one write says both. Since 1.9 a failed migration is also `completed`.
 */
export function reportSource(vmi: Vmi, launcher: LauncherStatus, now: string): Vmi {
  const state = vmi.status?.migrationState;
  const record = launcher.migration;
  if (record?.uid !== state?.migrationUid || record?.role !== "source") return vmi;
  if (state?.failed || state?.completed) return vmi;
  if (record.hasSwitched && state?.mode !== "PostCopy") return changeState(vmi, { mode: "PostCopy" });
  if (!record.failed || !record.endTimestamp) return vmi;
  const failed = changeState(vmi, {
    failed: true,
    completed: true,
    endTimestamp: record.endTimestamp,
    failureReason: record.reason ?? "",
    ...(record.aborted && { abortStatus: "Succeeded" as const }),
  });
  return reportEnd(failed, launcher, now);
}

function changeState(vmi: Vmi, change: Partial<MigrationState>): Vmi {
  const next = draft(vmi);
  const status = statusOf(next);
  status.migrationState = { ...status.migrationState, ...change };
  return unlessSame(vmi, next);
}

function unlessSame(before: Vmi, after: Vmi): Vmi {
  return JSON.stringify(before) === JSON.stringify(after) ? before : after;
}
