/**
 * Where a VM's guest is, as seen from one endpoint (one pod interface on this node), and what follows from it.
 *
 * | state | the guest | routes | listens | policy |
 * |---|---|---|---|---|
 * | `Base` | is here, or this is an ordinary pod | normal | no | running |
 * | `Candidate` | may be expected here: the pod says so, KubeVirt has not | none | no | arriving |
 * | `Target` | is expected here: KubeVirt has named this pod | none | yes | arriving |
 * | `Live` | runs here; the migration is not over (post-copy: for long) | elevated | no | arriving |
 * | `TimeWait` | is here, the migration is over; others may still attract its traffic | elevated | no | arriving |
 * | `Away` | is somewhere else: this target failed, or this source was left | none | no | down |
 */
export type MigrationState = "Base" | "Candidate" | "Target" | "Live" | "TimeWait" | "Away";

/** Priority of an endpoint's workload routes, both families together. */
export type RoutePriority = "normal" | "elevated" | "withdrawn";

/** What follows from being in a state. Applied on entry and again after every restart. */
export interface Consequences {
  readonly routes: RoutePriority;
  /** Waits for the guest's announcement on the endpoint's interface. */
  readonly listens: boolean;
  readonly policy: "running" | "arriving" | "down";
}

export const consequences: Readonly<Record<MigrationState, Consequences>> = {
  Base: { routes: "normal", listens: false, policy: "running" },
  // Who may create pods can make a candidate. It hears nothing, and nothing is planned for it, until KubeVirt names it: that comes
  // with the hand-off, before the target's QEMU is started and so before any guest can speak.
  Candidate: { routes: "withdrawn", listens: false, policy: "arriving" },
  Target: { routes: "withdrawn", listens: true, policy: "arriving" },
  Live: { routes: "elevated", listens: false, policy: "arriving" },
  TimeWait: { routes: "elevated", listens: false, policy: "arriving" },
  Away: { routes: "withdrawn", listens: false, policy: "down" },
};

/**
 * What an endpoint learns. Only `Heard`, `Switched`, `Arrived` and `Leaving` lead to a route, and all are verified: `Heard` by the
 * guest's MAC on the own interface of an endpoint that KubeVirt has named, the others by the VMI saying that the guest runs in this pod.
 */
export type MigrationInput =
  /** The API: a migration under way says that it made this pod, and the guest is not here. */
  | { readonly type: "Expected"; readonly migration: MigrationIdentity }
  /** The API: KubeVirt has named this pod as the target of that migration, and the guest is not here. */
  | { readonly type: "Named"; readonly migration: MigrationIdentity }
  /** The guest announced itself on the endpoint's interface, in this epoch. */
  | { readonly type: "Heard"; readonly epoch: number }
  /** The API: the guest runs here, and the migration is not over: the source has its route until it is. */
  | { readonly type: "Switched" }
  /** The API: the guest runs here, and no migration away from here is under way. */
  | { readonly type: "Arrived"; readonly claim?: Claim }
  /** The API: the guest runs here and a migration to another node is under way. */
  | { readonly type: "Leaving"; readonly claim?: Claim }
  /** The API: the guest runs in another pod and no migration to this one is under way. */
  | { readonly type: "Elsewhere" }
  /** The convergence time of this epoch is over, and nobody else attracts the guest's traffic. */
  | { readonly type: "Settled"; readonly epoch: number };

export type MigrationInputType = MigrationInput["type"];

/** `createdAt`: RFC 3339; orders migrations of one VM. */
export interface MigrationIdentity {
  readonly uid: string;
  readonly createdAt: string;
}

/** Why the endpoint's pod is to own the VM's addresses: the record of this migration in the VMI says that the guest runs in it. */
export interface Claim {
  /** UID. */
  readonly migration: string;
  /** `metadata.resourceVersion` of the VMI that says so. */
  readonly revision: string;
}

/** Everything an endpoint remembers of its migrations. */
export interface MigrationRecord {
  readonly state: MigrationState;
  /** Grows with every migration to this endpoint; what was meant for an earlier one is ignored. */
  readonly epoch: number;
  readonly migration?: MigrationIdentity;
  /** In `TimeWait`: when it ends at the earliest, milliseconds since 1970. */
  readonly until?: number;
}

type Table = Readonly<Record<MigrationState, Readonly<Partial<Record<MigrationInputType, MigrationState>>>>>;

/**
 * The machine. A missing entry means: nothing happens. `Expected` and `Named` are in effect only as {@link isOutdated} says, `Heard`
 * and `Settled` only in their own epoch.
 */
export const transitions: Table = {
  Base: { Expected: "Candidate", Named: "Target", Elsewhere: "Away" },
  // A missed announcement: the API's word is as good. A failed or cancelled migration ends without a route.
  Candidate: {
    Named: "Target",
    Switched: "Live",
    Arrived: "TimeWait",
    Leaving: "TimeWait",
    Elsewhere: "Away",
  },
  Target: {
    Expected: "Candidate",
    Heard: "Live",
    Switched: "Live",
    Arrived: "TimeWait",
    Leaving: "TimeWait",
    Elsewhere: "Away",
  },
  Live: {
    Expected: "Candidate",
    Named: "Target",
    Arrived: "TimeWait",
    Leaving: "TimeWait",
    Elsewhere: "Away",
  },
  // The source's next migration may come before the convergence time is over; then the new target's elevated route should stand
  // alone, so the old one is lowered when the guest prepares to leave, long before it moves: `Leaving` ends the wait.
  TimeWait: {
    Expected: "Candidate",
    Named: "Target",
    Leaving: "TimeWait",
    Settled: "Base",
    Elsewhere: "Away",
  },
  Away: {
    Expected: "Candidate",
    Named: "Target",
    Switched: "Live",
    Arrived: "TimeWait",
    Leaving: "TimeWait",
  },
};

export interface AdvanceOptions {
  /** Milliseconds since 1970. */
  readonly now: number;
  /** How long the elevated priority is kept after the guest's arrival is known, milliseconds. */
  readonly convergence: number;
}

/** The record after `input`. The same object when nothing changes. */
export function advance(
  record: MigrationRecord,
  input: MigrationInput,
  options: AdvanceOptions,
): MigrationRecord {
  if (isOutdated(record, input)) return record;
  const state = transitions[record.state][input.type];
  if (state === undefined) return record;
  const { epoch, migration } = record;
  // KubeVirt does not take a naming back; its record is only empty for a moment.
  if (input.type === "Expected" && record.state === "Target" && isUnderWay(record, input.migration))
    return record;
  if (input.type === "Expected" || input.type === "Named")
    return {
      state,
      epoch: isUnderWay(record, input.migration) ? epoch : epoch + 1,
      migration: input.migration,
    };
  const remembered = migration ? { state, epoch, migration } : { state, epoch };
  if (state !== "TimeWait") return remembered;
  const until = options.now + (input.type === "Leaving" ? 0 : options.convergence);
  // Told again, the end of the wait is where it was.
  if (record.until !== undefined && record.until <= until) return record;
  return { ...remembered, until };
}

function isOutdated(record: MigrationRecord, input: MigrationInput): boolean {
  switch (input.type) {
    case "Heard":
    case "Settled":
      return input.epoch !== record.epoch;
    case "Expected":
    case "Named":
      return (
        record.migration !== undefined &&
        !isNewer(input.migration, record.migration) &&
        !isUnderWay(record, input.migration) &&
        !isResumed(record, input.migration)
      );
    default:
      return false;
  }
}

/** The guest has not come yet, and this is the migration it is expected by. */
const isUnderWay = ({ state, migration }: MigrationRecord, again: MigrationIdentity) =>
  (state === "Candidate" || state === "Target") && migration?.uid === again.uid;

/** What looked failed was not: watches of different kinds do not keep step. Without a route nothing was lost. */
const isResumed = ({ state, migration }: MigrationRecord, again: MigrationIdentity) =>
  state === "Away" && migration?.uid === again.uid;

/** Two migrations never run at once to one pod, so a different one of the same second is the next one. */
const isNewer = (one: MigrationIdentity, other: MigrationIdentity) =>
  one.uid !== other.uid && Date.parse(one.createdAt) >= Date.parse(other.createdAt);

/** An endpoint that ADD has just made. */
export function initialRecord(target?: MigrationIdentity): MigrationRecord {
  return target ? { state: "Candidate", epoch: 1, migration: target } : { state: "Base", epoch: 0 };
}

/** What an endpoint whose file is lost, or tells something else, is by the routes it has. */
const stateOf = { elevated: "Live", normal: "Base", withdrawn: "Away" } as const;

/**
 * The record to go on with after a restart: a cache. The kernel's routes are the truth, since they were changed before the record was
 * written, and meanwhile the guest may have gone anywhere. So no state is gone on with that would want a better route than the kernel
 * has; what is missing comes with the API's word, or with the guest's own.
 *
 * @param saved what was written last, if that can be read
 * @param kernel the priority of the routes found in the kernel
 * @param target set for an endpoint made for a migration
 */
export function restoreRecord(
  saved: MigrationRecord | undefined,
  kernel: RoutePriority,
  target: MigrationIdentity | undefined,
  options: AdvanceOptions,
): MigrationRecord {
  const known = saved ?? initialRecord(target);
  const { epoch, migration } = known;
  if (consequences[known.state].routes !== kernel)
    return { state: stateOf[kernel], epoch, ...(migration && { migration }) };
  if (known.state !== "TimeWait") return known;
  // The clock may have been set in between: never wait longer than a whole convergence time.
  return { ...known, until: Math.min(known.until ?? 0, options.now + options.convergence) };
}
