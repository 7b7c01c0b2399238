import type { Domain } from "../qemu/index.ts";
import type { Plan } from "./faults.ts";
import type { MigrationLimits } from "./migration-monitor.ts";
import type { PodNetwork } from "./pod-network.ts";

/** Life of the domain in one launcher. */
export type DomainState =
  /** No QEMU yet. */
  | "none"
  /** A QEMU waits for a migration, or is receiving one. */
  | "incoming"
  | "running"
  /** The guest moved away; nothing runs here any more. */
  | "migrated"
  /** The guest powered off. */
  | "shutoff"
  /** QEMU ended by itself or was killed. */
  | "crashed";

/** What the launcher remembers of the last migration it took part in. Times: RFC 3339. */
export interface MigrationRecord {
  readonly uid: string;
  readonly role: "source" | "target";
  readonly startTimestamp?: string;
  /** On the target: the guest runs here. */
  readonly readyTimestamp?: string;
  readonly endTimestamp?: string;
  readonly failed?: boolean;
  readonly reason?: string;
  readonly aborted?: boolean;
  /** On the source: the guest runs on the target while its memory still follows. */
  readonly hasSwitched?: boolean;
}

export interface LauncherStatus {
  readonly state: DomainState;
  readonly domain?: Domain;
  readonly migration?: MigrationRecord;
}

/** What virt-handler asks of the launcher on its node. Served on `launcher.sock`. */
export interface LauncherMethods {
  /** First start: serve DHCP and run the guest. */
  start(params: { domain: Domain; network: PodNetwork }): Promise<LauncherStatus>;
  /** On a migration target: serve DHCP and listen for the source's launcher and for QEMU's memory. */
  prepareTarget(params: { uid: string; network: PodNetwork; plan: Plan }): Promise<TargetSockets>;
  /** On the source. Returns once the migration has begun; the end is seen in the status. */
  migrate(params: {
    uid: string;
    sockets: TargetSockets;
    bandwidth: number;
    limits: MigrationLimits;
    plan: Plan;
  }): Promise<LauncherStatus>;
  abort(params: { uid: string }): Promise<void>;
  /** Asks the guest to power off, and kills it after the grace period, in seconds. */
  shutdown(params: { grace: number }): Promise<void>;
  /** The domain is deleted. Where the guest has moved away the launcher ends some time later, otherwise at once. */
  exit(params: Record<string, never>): Promise<void>;
}

/** Paths of unix sockets: libvirt's control connection, and the memory. */
export interface TargetSockets {
  readonly control: string;
  readonly memory: string;
}

/** What the source's launcher asks of the target's, through both virt-handlers. libvirt's peer-to-peer migration. */
export interface TargetMethods {
  /** Start the incoming QEMU for this domain; `postCopy`: it may have to run the guest before all of it is there. */
  begin(params: { domain: Domain; postCopy: boolean }): Promise<void>;
  /** Answers once the guest runs here, whatever of its memory is still to come. */
  resumed(params: Record<string, never>): Promise<void>;
  /** All memory was sent. Answers once the guest runs here, and refuses if it never will. */
  finish(params: Record<string, never>): Promise<void>;
  /** The migration is off: end the incoming QEMU. */
  cancel(params: Record<string, never>): Promise<void>;
}

/** One socket directory per launcher pod, below the node's own directory. */
export const launcherDirectory = (root: string, podUid: string): string => `${root}/${podUid}`;
export const launcherSocket = (directory: string): string => `${directory}/launcher.sock`;

/** Default of FAIRLEAD_LAB_KUBEVIRT: what a node's virt-handler and launchers share. */
export const defaultRoot = "/run/kubevirt";
