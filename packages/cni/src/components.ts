import type { Family, PodIdentity, WorkloadRelease, WorkloadRequest, Workloads } from "@fairlead/ipam";
import type { Annotations } from "./annotations.ts";
import type { Attachment, AttachmentStore } from "./attachment.ts";
import type { PodReference } from "./request.ts";
import type { StateFiles } from "./state-files.ts";
import type { Timing } from "./timing.ts";
import type { Wiring } from "./wiring.ts";

/** Everything ADD must know of a pod before it touches anything. */
export interface Workload {
  readonly pod: PodIdentity;
  readonly podAnnotations: Annotations;
  readonly namespaceAnnotations: Annotations;
  readonly namespaceLabels: Readonly<Record<string, string>>;
  readonly nodeLabels: Readonly<Record<string, string>>;
  /** The VM in the pod, proved by ownerReferences and the live VMI. */
  readonly vm?: NonNullable<WorkloadRequest["vm"]>;
}

/** What is still known of a pod that goes. */
export interface DepartingWorkload {
  readonly uid?: string;
  readonly vm?: NonNullable<WorkloadRelease["vm"]>;
}

/** Whose pod is this. Both calls throw CniError: IdentityRefused (forged or contradictory), TryAgainLater (cannot tell now). */
export interface Identity {
  arriving(pod: PodReference, signal: AbortSignal): Promise<Workload>;
  /** `attachment`: what ADD found out, for a pod whose objects are gone. */
  departing(
    pod: PodReference,
    attachment: Attachment | undefined,
    signal: AbortSignal,
  ): Promise<DepartingWorkload>;
}

/** The agent's side of an attachment: policy, routes, announcements. */
export interface Endpoints {
  /** An endpoint with addresses comes into being; its policy is on the way to the kernel. */
  add(attachment: Attachment): void;
  /** Its interface exists. From now on it may have routes (a migration target: when its guest has arrived). */
  wired(attachment: Attachment): void;
  /** Resolves when the kernel has acknowledged the endpoint's policy. Rejects with the signal's reason. */
  ready(attachment: Attachment, signal: AbortSignal): Promise<void>;
  /** Whether its policy is in force now. */
  isReady(attachment: Attachment): boolean;
  /** Takes everything of the attachment away, unless a newer container has taken the pod over. */
  remove(attachment: Attachment): void;
}

/** Writes what others read in the pod: `cni.projectcalico.org/{containerID,podIP,podIPs}`. */
export interface PodAnnotator {
  attached(attachment: Attachment, signal: AbortSignal): Promise<void>;
  /** Empties the addresses, if it is this container that they were written for. */
  detached(
    container: { readonly containerId: string; readonly pod: PodReference },
    signal: AbortSignal,
  ): Promise<void>;
}

/** What STATUS answers. */
export type Readiness =
  | { readonly ready: true }
  | { readonly ready: false; readonly code: "NotAvailable" | "NotAvailableLimited"; readonly reason: string };

/** Where the plug-in writes; pino fits. */
export interface Log {
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
  error(fields: object, message: string): void;
}

/** What the plug-in is made of. Each may be the real part or a fake. */
export interface CniComponents {
  readonly nodeName: string;
  readonly identity: Identity;
  readonly addresses: Pick<Workloads, "assign" | "release">;
  /** Families of which there is an enabled pool for workloads. */
  poolFamilies(): Promise<ReadonlySet<Family>>;
  readonly wiring: Wiring;
  readonly endpoints: Endpoints;
  readonly annotator: PodAnnotator;
  readonly attachments: AttachmentStore;
  /** Writes endpoints' status files, see `openStatusFiles`. */
  readonly statusFiles: StateFiles;
  /** For STATUS. */
  readiness(): Promise<Readiness> | Readiness;
  /** Bytes, for configurations without `mtu`; undefined when the mtu file is not there. */
  readMtu(): number | undefined;
  readonly log: Log;
  /** Called once for every ADD that succeeded. */
  readonly onTiming?: (timing: Timing) => void;
}
