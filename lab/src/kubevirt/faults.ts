/** What should go wrong in one migration. Given as JSON in an annotation of the VMIM. */
export interface Faults {
  /** The ack (nodeName, label, end) comes this much later, in milliseconds. */
  readonly delayAckMs?: number;
  /** The ready timestamp is written, the ack never. */
  readonly loseAck?: boolean;
  /** The target's QEMU is killed once the copy has begun. */
  readonly killTargetDuringCopy?: boolean;
  /** The migration is aborted while the guest is stopped; it resumes on the source. */
  readonly abortAfterStop?: boolean;
  /** The guest stays stopped this much longer than needed, in milliseconds. */
  readonly stretchPauseMs?: number;
  /** KubeVirt before 1.9: after a migration DHCP answers only the pod's MAC (unless the spec gives one). */
  readonly dhcpForgetsGuestMac?: boolean;
  /** Bytes a second for the copy, so that there is time to interfere. */
  readonly bandwidth?: number;
  /** Bytes a second for what follows the guest after the switch of a post-copy. */
  readonly postCopyBandwidth?: number;
  /** The memory's way breaks this long after the guest has resumed by post-copy, in milliseconds. */
  readonly breakAfterSwitchMs?: number;
}

export const faultsAnnotation = "lab.fairlead.dev/faults";

/** Reads the annotation. Throws SyntaxError if it is no JSON: a mistyped fault must not pass as a good run. */
export function faultsOf(annotations: Readonly<Record<string, string>> | undefined): Faults {
  const text = annotations?.[faultsAnnotation];
  return text === undefined ? {} : (JSON.parse(text) as Faults);
}
