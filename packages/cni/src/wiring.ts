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
}

/** What a wired pod has, as the kernel says. */
export interface Wired {
  readonly linkIndex: number;
  readonly mac: string;
  readonly mtu: number;
}

/** Which interface to remove. */
export interface UnwiringRequest {
  /** May be empty or gone. */
  readonly netns: string;
  readonly containerInterface: string;
  /** Absent when the host-side interface belongs to a newer container. */
  readonly hostInterface?: string;
}

/** The kernel's side of a pod interface. Some of its calls wait for all CPUs (deleting a link: 10 to 50 ms). */
export interface Wiring {
  /**
   * Makes the veth pair, addresses, routes and settings of a pod. What an earlier attempt left is replaced.
   * Host routes are not its business. Rejects with CniError WiringFailed.
   */
  attach(request: WiringRequest): Promise<Wired>;
  /** Removes the pair; nothing there is success. Rejects with CniError WiringFailed. */
  detach(request: UnwiringRequest): Promise<void>;
  /** Forgets the tracked connections of absent addresses that linger. Rejects with CniError WiringFailed. */
  forget(request: Absence): Promise<void>;
  /** Compares what is with what `attach` makes; resolves with one sentence for each difference. */
  inspect(request: WiringRequest): Promise<readonly string[]>;
}
