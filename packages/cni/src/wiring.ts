import type { Absence } from "./lingering.ts";

/** How a pod is to be wired. */
export interface WiringRequest {
  /** Path of the pod's network namespace. */
  readonly netns: string;
  readonly containerInterface: string;
  readonly hostInterface: string;
  /** Plain addresses, at most one of each family. */
  readonly addresses: readonly string[];
  /** MAC of the pod's side; the kernel draws one when absent. */
  readonly mac?: string;
  /** Bytes; the kernel's default when absent. */
  readonly mtu?: number;
  readonly queues: number;
  /** Whether the pod forwards packets itself. */
  readonly allowIpForwarding: boolean;
  /** Indexes of the host-side interfaces that earlier sandboxes of the pod had: one of them may bear the name still. */
  readonly replaces?: readonly number[];
}

/** What a wired pod has, as the kernel says. */
export interface Wired {
  readonly linkIndex: number;
  readonly mac: string;
  readonly mtu: number;
}

/** Which pair to remove, by its end on the node: the kernel takes the other end with it, so no namespace is entered. */
export interface UnwiringRequest {
  readonly hostInterface: string;
  /** A link of that name with another index is somebody else's and stays. Absent: whichever has the name. */
  readonly linkIndex?: number;
}

/** Which host-side interfaces to look for, and in which namespace their other ends may be. */
export interface WiringQuery {
  readonly hostInterfaces: readonly string[];
  /** Path of a namespace; it may be empty or gone, then nothing leads there. */
  readonly netns: string;
}

/** A host-side interface that exists. */
export interface HostEnd {
  readonly hostInterface: string;
  readonly linkIndex: number;
  /** Whether its other end is in the namespace that was asked about. */
  readonly leadsThere: boolean;
}

/** The kernel's side of a pod interface. Some of its calls wait for all CPUs (deleting a link: 10 to 50 ms). */
export interface Wiring {
  /**
   * Makes the veth pair, addresses, routes and settings of a pod. What an earlier attempt left is replaced: a link of
   * the same name that leads into the same namespace or is one of `replaces`. Any other link of that name is
   * somebody else's, and so is an interface that the namespace has already: both stay, and the call is refused.
   * Host routes are not its business. Rejects with CniError WiringFailed.
   */
  attach(request: WiringRequest): Promise<Wired>;
  /** Those of the named interfaces that exist. Rejects with CniError WiringFailed. */
  look(query: WiringQuery): Promise<readonly HostEnd[]>;
  /** Removes the pair; nothing there is success. Rejects with CniError WiringFailed. */
  detach(request: UnwiringRequest): Promise<void>;
  /** Forgets the tracked connections of absent addresses that linger. Rejects with CniError WiringFailed. */
  forget(request: Absence): Promise<void>;
  /** Compares what is with what `attach` makes; resolves with one sentence for each difference. */
  inspect(request: WiringRequest): Promise<readonly string[]>;
}
