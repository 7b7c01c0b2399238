/**
 * Where a VM's guest is, as seen from one endpoint (one pod interface on this node), and what follows from it.
 *
 * | state | the guest | routes | listens | policy |
 * |---|---|---|---|---|
 * | `Base` | is here, or this is an ordinary pod | normal | no | running |
 * | `Target` | is expected here | none | yes | arriving |
 * | `Live` | runs here; the migration is not over (post-copy: for long) | elevated | no | arriving |
 * | `TimeWait` | is here, the migration is over; routers converge | elevated | no | arriving |
 * | `Away` | is somewhere else: this target failed, or this source was left | none | no | down |
 */
export type MigrationState = "Base" | "Target" | "Live" | "TimeWait" | "Away";

/** Priority of an endpoint's workload routes, both families together. */
export type RoutePriority = "normal" | "elevated" | "withdrawn";

/** What follows from being in a state. Applied on entry and again after every restart. */
export interface Consequences {
  readonly routes: RoutePriority;
  /** Waits for the guest's announcement on the endpoint's interface. */
  readonly listens: boolean;
  readonly policy: "running" | "arriving" | "down";
  /** An endpoint that a migration brought the guest to is to become the owner of the VM's addresses. */
  readonly owns: boolean;
}

export const consequences: Readonly<Record<MigrationState, Consequences>> = {
  Base: { routes: "normal", listens: false, policy: "running", owns: true },
  Target: { routes: "withdrawn", listens: true, policy: "arriving", owns: false },
  Live: { routes: "elevated", listens: false, policy: "arriving", owns: false },
  TimeWait: { routes: "elevated", listens: false, policy: "arriving", owns: true },
  Away: { routes: "withdrawn", listens: false, policy: "down", owns: false },
};

/**
 * What an endpoint learns. Only `Heard`, `Switched` and `Arrived` lead to a route, and all are verified: `Heard` by the guest's MAC on
 * the endpoint's own interface, the others by the VMI saying that the guest runs in this pod.
 */
export type MigrationInput =
  /** The API: a migration to this endpoint is under way and the guest is not here. */
  | { readonly type: "Expected"; readonly migration: MigrationIdentity }
  /** The guest announced itself on the endpoint's interface, in this epoch. */
  | { readonly type: "Heard"; readonly epoch: number }
  /** The API: the guest runs here, and the migration is not over: the source has its route until it is. */
  | { readonly type: "Switched" }
  /** The API: the guest runs here, and the migration is over. */
  | { readonly type: "Arrived" }
  /** The API: the guest runs here and a migration to another node is under way. */
  | { readonly type: "Leaving" }
  /** The API: the guest runs in another pod and no migration to this one is under way. */
  | { readonly type: "Elsewhere" }
  /** The convergence time of this epoch is over. */
  | { readonly type: "Settled"; readonly epoch: number };

export type MigrationInputType = MigrationInput["type"];

/** `createdAt`: RFC 3339; orders migrations of one VM. */
export interface MigrationIdentity {
  readonly uid: string;
  readonly createdAt: string;
}

/** Everything an endpoint remembers of its migrations. */
export interface MigrationRecord {
  readonly state: MigrationState;
  /** Grows with every migration to this endpoint; what was meant for an earlier one is ignored. */
  readonly epoch: number;
  readonly migration?: MigrationIdentity;
  /** In `TimeWait`: when it ends, milliseconds since 1970. */
  readonly until?: number;
}

type Table = Readonly<Record<MigrationState, Readonly<Partial<Record<MigrationInputType, MigrationState>>>>>;

/**
 * The machine. A missing entry means: nothing happens. `Expected` is in effect only for a migration newer than the one remembered,
 * `Heard` and `Settled` only in their own epoch, see {@link advance}.
 */
export const transitions: Table = {
  Base: { Expected: "Target", Elsewhere: "Away" },
  // A missed announcement: the API's word is as good. A failed or cancelled migration ends without a route.
  Target: { Heard: "Live", Switched: "Live", Arrived: "TimeWait", Leaving: "Base", Elsewhere: "Away" },
  // The source's next migration may come before the convergence time is over; then the new target's elevated route must stand
  // alone, so the old one is lowered when the guest prepares to leave, long before it moves.
  Live: { Expected: "Target", Arrived: "TimeWait", Leaving: "Base", Elsewhere: "Away" },
  TimeWait: { Expected: "Target", Settled: "Base", Leaving: "Base", Elsewhere: "Away" },
  Away: { Expected: "Target", Switched: "Live", Arrived: "TimeWait", Leaving: "Base" },
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
  if (isStale(record, input)) return record;
  const state = transitions[record.state][input.type];
  if (state === undefined) return record;
  const { epoch, migration } = record;
  if (input.type === "Expected") return { state, epoch: epoch + 1, migration: input.migration };
  const remembered = migration ? { state, epoch, migration } : { state, epoch };
  return state === "TimeWait" ? { ...remembered, until: options.now + options.convergence } : remembered;
}

function isStale(record: MigrationRecord, input: MigrationInput): boolean {
  switch (input.type) {
    case "Heard":
    case "Settled":
      return input.epoch !== record.epoch;
    case "Expected":
      return (
        record.migration !== undefined &&
        !isNewer(input.migration, record.migration) &&
        !isResumed(record, input.migration)
      );
    default:
      return false;
  }
}

/** What looked failed was not: watches of different kinds do not keep step. Without a route nothing was lost. */
const isResumed = ({ state, migration }: MigrationRecord, again: MigrationIdentity) =>
  state === "Away" && migration?.uid === again.uid;

/** Two migrations of one VM never run at once, so a different one of the same second is the next one. */
const isNewer = (one: MigrationIdentity, other: MigrationIdentity) =>
  one.uid !== other.uid && Date.parse(one.createdAt) >= Date.parse(other.createdAt);

/** An endpoint that ADD has just made. */
export function initialRecord(target?: MigrationIdentity): MigrationRecord {
  return target ? { state: "Target", epoch: 1, migration: target } : { state: "Base", epoch: 0 };
}

/**
 * The record to go on with after a restart. The kernel's routes are the truth: they were changed before the record was written.
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
  if (!saved) {
    const fresh = initialRecord(target);
    const stateOf = { elevated: "Live", normal: "Base", withdrawn: "Target" } as const;
    return target ? { ...fresh, state: stateOf[kernel] } : fresh;
  }
  if (saved.state === "Target" && kernel === "elevated") return { ...saved, state: "Live" };
  if (saved.state !== "TimeWait") return saved;
  // The clock may have been set in between: never wait longer than a whole convergence time.
  return { ...saved, until: Math.min(saved.until ?? 0, options.now + options.convergence) };
}
