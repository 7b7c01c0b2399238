import type { VmIdentity } from "@fairlead/ipam";

/** How far ADD has come. What lies behind a step can be taken back by DEL, whoever died in between. */
export type AttachmentStep = "claimed" | "addressed" | "wired" | "ready";

/**
 * One interface of one container: what the agent remembers between ADD and DEL. Written before each step with an
 * effect, so that after a crash DEL and GC know what may exist.
 */
export interface Attachment {
  readonly containerId: string;
  readonly ifName: string;
  /** Counts the containers of one pod: the highest owns the host-side interface. */
  readonly generation: number;
  /** Name of the network configuration. */
  readonly network: string;
  readonly netns: string;
  readonly pod: { readonly namespace: string; readonly name: string; readonly uid: string };
  readonly hostInterface: string;
  /** Index of the host-side interface; from step `wired` on. */
  readonly linkIndex?: number;
  /** MAC of the pod's side; from step `wired` on. */
  readonly mac?: string;
  /** Plain addresses of both families; from step `addressed` on. */
  readonly addresses: readonly string[];
  readonly vm?: VmIdentity;
  /** `target`: made for a live migration that had not ended when ADD ran. */
  readonly role: "workload" | "target";
  readonly migrationUid?: string;
  readonly endpointStatusDir: string;
  readonly step: AttachmentStep;
}

/** Names an attachment. */
export interface AttachmentKey {
  readonly containerId: string;
  readonly ifName: string;
}

/**
 * Addresses that have left while the node went on tracking some of their connections, and the UID of the VM whose they were. Kept until somebody
 * has the address here again.
 */
export interface Inheritance {
  /** UID of the VM that had the address here last; undefined when nothing is tracked. */
  ownerOf(address: string): string | undefined;
  /** Whether some may have been lost, this address's among them. */
  mayLack(address: string): boolean;
  leave(address: string, vmUid: string): void;
  /** Nothing happens when there is none. */
  settle(address: string): void;
}

/** What outlives the agent. Calls are synchronous: ADD must not go on before its intent is written. */
export interface AttachmentStore {
  get(key: AttachmentKey): Attachment | undefined;
  list(): readonly Attachment[];
  put(attachment: Attachment): void;
  /** Nothing happens when there is none. */
  delete(key: AttachmentKey): void;
  readonly inheritance: Inheritance;
}
