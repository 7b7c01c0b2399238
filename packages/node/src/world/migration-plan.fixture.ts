import { between, type Random } from "./virtual-time.fixture.ts";

/** How a migration goes, if nobody interferes. */
export interface MigrationPlan {
  readonly random: Random;
  /** `targetFails`: before the guest moves. `copyFails`: while memory is copied. `targetDies`: just after the switch. */
  readonly fate: "success" | "targetFails" | "copyFails" | "targetDies";
  /** Milliseconds from the switch to KubeVirt's acknowledgement. */
  readonly acknowledgedAfter: number;
  /** KubeVirt says that the guest runs on the target before it acknowledges. */
  readonly readyFirst: boolean;
  /** KubeVirt says that it has begun after the guest has moved. */
  readonly saysStartedLate: boolean;
  /** How many of the guest's announcements are not lost. */
  readonly frames: number;
  /** Two requests at once: the webhook saw no other. */
  readonly isTwin: boolean;
  /** Sandboxes of the target that are replaced. */
  readonly lostSandboxes: number;
  /** Milliseconds after its end until its object is deleted; undefined: with the instance. */
  readonly forgottenAfter: number | undefined;
}

/** How the migrations of a history go. */
export function planOf(random: Random, isTwin: boolean): MigrationPlan {
  const fate = random();
  const late = random();
  return {
    random,
    fate: fate < 0.7 ? "success" : fate < 0.8 ? "targetFails" : fate < 0.92 ? "copyFails" : "targetDies",
    acknowledgedAfter:
      late < 0.7 ? between(random, 100, 300) : between(random, 300, late < 0.9 ? 26_000 : 71_000),
    readyFirst: random() < 0.5,
    saysStartedLate: random() < 0.3,
    frames: random() < 0.2 ? 0 : random() < 0.3 ? 1 : 5,
    isTwin,
    lostSandboxes: random() < 0.2 ? 1 : 0,
    forgottenAfter: random() < 0.3 ? between(random, 0, 60_000) : undefined,
  };
}

/** A migration that nothing disturbs. */
export const plainPlan = (random: Random): MigrationPlan => ({
  random,
  fate: "success",
  acknowledgedAfter: 200,
  readyFirst: false,
  saysStartedLate: false,
  frames: 5,
  isTwin: false,
  lostSandboxes: 0,
  forgottenAfter: undefined,
});
