import type { Condition, KubernetesObject } from "../object.ts";

/** KubeVirt's phases of a VMI; `Succeeded` and `Failed` are final. */
export type VirtualMachineInstancePhase =
  | "Pending"
  | "Scheduling"
  | "Scheduled"
  | "Running"
  | "Succeeded"
  | "Failed"
  | "WaitingForSync"
  | "Unknown";

/** kubevirt.io/v1 VirtualMachineInstance: one run of a VM. Has no status subresource. */
export interface VirtualMachineInstance extends KubernetesObject {
  spec: VirtualMachineInstanceSpec;
  status?: VirtualMachineInstanceStatus;
}

/** What a running VM consists of, as far as a network looks at it. */
export interface VirtualMachineInstanceSpec {
  domain?: {
    devices?: { interfaces?: VirtualMachineInterface[]; [field: string]: unknown };
    [field: string]: unknown;
  };
  networks?: VirtualMachineNetwork[];
  hostname?: string;
  subdomain?: string;
  evictionStrategy?: "None" | "LiveMigrate" | "LiveMigrateIfPossible" | "External";
  terminationGracePeriodSeconds?: number;
  nodeSelector?: Record<string, string>;
  [field: string]: unknown;
}

/** An interface of the guest: with `bridge` it has the pod's address, with `masquerade` one of its own behind it. */
export interface VirtualMachineInterface {
  name: string;
  model?: string;
  macAddress?: string;
  bridge?: Record<string, never>;
  masquerade?: Record<string, never>;
  binding?: { name: string };
  state?: string;
  ports?: { name?: string; port: number; protocol?: string }[];
}

/** What an interface of the same name is connected to: the pod network, or one of Multus. */
export interface VirtualMachineNetwork {
  name: string;
  pod?: { vmNetworkCIDR?: string };
  multus?: { networkName: string; default?: boolean };
}

/** What KubeVirt says of a running VM. */
export interface VirtualMachineInstanceStatus {
  phase?: VirtualMachineInstancePhase;
  nodeName?: string;
  /** Pod UID → node name ("" while unscheduled) of every pod this VMI controls, finished ones included. */
  activePods?: Record<string, string>;
  interfaces?: VirtualMachineInterfaceStatus[];
  conditions?: Condition[];
  migrationState?: MigrationState;
  migrationMethod?: "BlockMigration" | "LiveMigration";
  migrationTransport?: string;
  evacuationNodeName?: string;
  phaseTransitionTimestamps?: { phase: string; phaseTransitionTimestamp: string }[];
  reason?: string;
  [field: string]: unknown;
}

/** An interface as the domain or the guest agent reports it (`infoSource`). */
export interface VirtualMachineInterfaceStatus {
  /** Name of the network; absent for interfaces only the guest agent knows. */
  name?: string;
  mac?: string;
  ipAddress?: string;
  ipAddresses?: string[];
  podInterfaceName?: string;
  interfaceName?: string;
  infoSource?: string;
  queueCount?: number;
  linkState?: string;
}

/**
 * The last migration of a VMI. Never cleared: it stays until the next hand-off replaces it, so it means nothing unless
 * `migrationUid` is the one you ask about. Timestamps have a resolution of one second.
 */
export interface MigrationState {
  migrationUid?: string;
  sourceNode?: string;
  targetNode?: string;
  sourcePod?: string;
  targetPod?: string;
  targetNodeAddress?: string;
  targetDirectMigrationNodePorts?: Record<string, number>;
  startTimestamp?: string | null;
  endTimestamp?: string | null;
  /** The incoming QEMU exists. Not a sign of switch-over. */
  targetNodeDomainDetected?: boolean;
  /** The guest runs on the target: the first sign of switch-over in the API. */
  targetNodeDomainReadyTimestamp?: string | null;
  mode?: "PreCopy" | "PostCopy" | "Paused";
  completed?: boolean;
  failed?: boolean;
  failureReason?: string;
  abortRequested?: boolean;
  abortStatus?: "Aborting" | "Succeeded" | "Failed";
  [field: string]: unknown;
}
