import type { MigrationState } from "@fairlead/api";
import { type Course, courseOf } from "./course.ts";

/**
 * What should go wrong in one migration, and how it should go where KubeVirt's migrations differ. JSON in an annotation of the
 * migration; what stands in the same annotation of the VMI holds for its pods and for all of its migrations.
 */
export interface Faults extends Partial<Course> {
  /** What is not given is drawn from this. Absent: every migration and every pod has a seed of its own. */
  readonly seed?: string;
  /** The acknowledgement (node name, label, end) comes this much later still, in milliseconds. */
  readonly delayAckMs?: number;
  /** The target's virt-handler never writes the acknowledgement. */
  readonly loseAck?: boolean;
  /** The target's virt-handler writes that it sees the domain, and that it runs, when it does: not with the acknowledgement. */
  readonly separateReports?: boolean;
  /** The target's QEMU is killed once the copy has begun. */
  readonly killTargetDuringCopy?: boolean;
  /** The target's QEMU is killed this long after the source has let go of the guest, in milliseconds. */
  readonly killTargetAfterSwitchMs?: number;
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
  /** The webhook takes this long between its look for rivals and its consent, in milliseconds: two can be let in. */
  readonly admissionMs?: number;
}

/** Faults with the whole course. */
export type Plan = Omit<Faults, keyof Course> & Course;

export const faultsAnnotation = "lab.fairlead.dev/faults";

/** Reads the annotation. Throws SyntaxError if it is no JSON: a mistyped fault must not pass as a good run. */
export function faultsOf(annotations: Readonly<Record<string, string>> | undefined): Faults {
  const text = annotations?.[faultsAnnotation];
  return text === undefined ? {} : (JSON.parse(text) as Faults);
}

/** Fills in what is not given. `seed` is for faults that have none. */
export function planOf(seed: string, faults: Faults): Plan {
  return { ...faults, seed: faults.seed ?? seed, ...courseOf(faults.seed ?? seed, faults) };
}

/** What virt-controller wrote at the hand-over of how this migration is to go. Not KubeVirt's: so the nodes learn of it. */
export function planIn(state: MigrationState | undefined): Plan {
  const configuration = state?.migrationConfiguration as { faults?: Faults } | undefined;
  return planOf(state?.migrationUid ?? "", configuration?.faults ?? {});
}
