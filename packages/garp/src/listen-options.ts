import type { NetworkNamespace } from "@fairlead/netlink";
import type { Expectation, Refusal } from "./classify.ts";
import type { GarpError } from "./error.ts";

/** Whom to listen for, and where. */
export interface ListenOptions extends Expectation {
  /** Namespace of the link. Default: the calling thread's. It must stay open while listening. */
  readonly netns?: NetworkNamespace;
  /** The host-side veth of the target pod. */
  readonly linkIndex: number;
  /** Ends listening; the promise rejects with the signal's reason. */
  readonly signal?: AbortSignal;
  /** `OpenFailed` before each new attempt, `FramesLost`. */
  readonly onProblem?: (error: GarpError) => void;
  /** A frame passed the kernel's filter and was refused here: something in the pod sends odd frames. */
  readonly onRefused?: (reason: Refusal) => void;
  /** False lets the process end while listening. Default true. */
  readonly keepAlive?: boolean;
}
