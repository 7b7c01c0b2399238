/**
 * What virt-handler writes into a VMI, as functions from what it sees to the VMI as it should be. Each returns the same
 * object when there is nothing to write.
 */
import type { MigrationState, VirtualMachineInstance } from "@fairlead/api";
import type { Faults } from "../faults.ts";
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

export function faultsIn(state: MigrationState | undefined): Faults {
  const configuration = state?.migrationConfiguration as { faults?: Faults } | undefined;
  return configuration?.faults ?? {};
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
 * What the target learns from its launcher, one write at a time and in KubeVirt's order: the domain is there, the guest
 * runs here, the node takes over (the "ack"), done.
 */
export function reportTarget(vmi: Vmi, node: string, launcher: LauncherStatus, network: PodNetwork): Vmi {
  const state = vmi.status?.migrationState;
  const record = launcher.migration;
  if (state?.failed || state?.completed) return vmi;
  if (record?.uid !== state?.migrationUid || record?.role !== "target") return vmi;
  if (launcher.state === "none") return vmi;
  if (!state?.targetNodeDomainDetected) return changeState(vmi, { targetNodeDomainDetected: true });
  if (record.readyTimestamp === undefined) return vmi;
  if (!state.targetNodeDomainReadyTimestamp) {
    return changeState(vmi, { targetNodeDomainReadyTimestamp: record.readyTimestamp });
  }
  if (record.endTimestamp === undefined || faultsIn(state).loseAck) return vmi;
  if (!state.endTimestamp) return acknowledge(vmi, node, launcher, network, record.endTimestamp);
  return changeState(vmi, { completed: true });
}

/** One write: the guest's node is this one. */
function acknowledge(
  vmi: Vmi,
  node: string,
  launcher: LauncherStatus,
  network: PodNetwork,
  end: string,
): Vmi {
  const next = changeState(vmi, { endTimestamp: end });
  const status = statusOf(next);
  status.nodeName = node;
  status.evacuationNodeName = "";
  status.interfaces = [interfaceStatus(vmi, launcher, network)];
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

export function reportStarted(vmi: Vmi, start: string): Vmi {
  return changeState(vmi, { startTimestamp: start, mode: "PreCopy" });
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
