import { createHash } from "node:crypto";

/**
 * What is not the same in every migration of KubeVirt 1.9, and how far it varied in sixteen of them: milliseconds, counts,
 * and choices. Each entry turns a number from 0 (inclusive) to 1 (exclusive) into a value.
 */
const variations = {
  /** From the pod's creation until `status.activePods` of the VMI lists it. CNI ADD can prove the pod's owner only then. */
  activePodsMs: between(0, 1_300),
  /** Whether virt-controller writes a pod's labels and conditions before it writes the VMI. */
  podBeforeVmi: choice(),
  /** From the start of the copy until virt-handler of the source writes `startTimestamp`: often after the guest has left. */
  startReportMs: between(0, 2_000),
  /** Whether virt-handler of the source leaves out the MAC, too, when it rewrites the interface of a guest that has left. */
  forgetsMac: choice(),
  /** From the arrival of all memory to the acknowledgement: node name, label and time stamps in one write. */
  ackMs: between(300, 1_800),
  /** From the acknowledgement until virt-controller opens the target pod's readiness gate. */
  podReadyMs: between(1_000, 3_000),
  /** For how much of that time the VMI is not Ready. */
  notReadyMs: between(100, 2_000),
  /** How many events say that the guest has migrated. */
  migratedEvents: between(2, 6),
  /** From the departure of the guest until the source's launcher ends. CNI DEL follows at once. */
  sourceEndMs: between(8_000, 9_500),
  /** How long the launcher of a guest that died right after its arrival waits for a word before it ends. */
  bereavedMs: between(45_000, 57_000),
} as const;

type Variations = typeof variations;

/** How one migration goes, or the start of one pod. */
export type Course = { readonly [K in keyof Variations]: ReturnType<Variations[K]> };

/**
 * Draws a course: the same seed gives the same one, whoever draws it and in whatever order. What is given is not drawn.
 */
export function courseOf(seed: string, given: Partial<Course> = {}): Course {
  const drawn = Object.entries(variations).map(([what, vary]) => [what, vary(fractionOf(seed, what))]);
  const asked = Object.entries(given).filter(([what]) => what in variations);
  return { ...Object.fromEntries(drawn), ...Object.fromEntries(asked) };
}

/** A whole number from the first to the last, both included. */
function between(first: number, last: number): (fraction: number) => number {
  return (fraction) => first + Math.floor(fraction * (last - first + 1));
}

function choice(): (fraction: number) => boolean {
  return (fraction) => fraction < 0.5;
}

/** From 0 (inclusive) to 1 (exclusive). */
function fractionOf(seed: string, what: string): number {
  return createHash("sha256").update(`${seed}/${what}`).digest().readUIntBE(0, 6) / 2 ** 48;
}
