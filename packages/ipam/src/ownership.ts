import { attribute } from "./attributes.ts";
import type { Owners } from "./block-draft.ts";
import { decidedAt, isEarlier, isNewer, isOwner, isOwnerSandbox, type OwningPod } from "./owner-record.ts";
import type { Attributes } from "./resources.ts";
import type { GuestFact } from "./workload-types.ts";

/**
 * What happens to a pod of a VM. `starts`: ADD of the pod in which the VM is to run. `expects`: ADD of a migration's target.
 * `runs`: KubeVirt says that the guest runs in it.
 */
export type OwnershipEvent = "starts" | "expects" | "runs";

/** Where KubeVirt says the guest is, seen from the pod. */
type GuestPlace = "here" | "elsewhere" | "not said";

/** Whose an owner record is, seen from the pod. */
type RecordOf = "it" | "another" | "nobody";

/**
 * What becomes of the owners.
 *
 * - `own`: it is the active owner. Who was it before becomes alternate, if nobody else waits there.
 * - `succeed`: it is the active owner and nobody else is any, if those recorded are older and over.
 * - `wait`: it is the alternate owner, if it is newer than those recorded.
 * - `elsewhere`: nothing; the guest runs in another pod.
 * - `no source`: nothing; no pod is recorded in which the guest runs with this address.
 */
type Outcome = "own" | "succeed" | "wait" | "elsewhere" | "no source";

interface Rule {
  readonly event: OwnershipEvent;
  readonly guest: GuestPlace | "anywhere";
  /** Whose the active owner's record is, after the fact was heeded (see {@link heed}). */
  readonly active: RecordOf | "anybody";
  readonly outcome: Outcome;
}

/**
 * Who owns the addresses of a VM: the pod in which its guest runs. The first row that fits decides. What KubeVirt says comes
 * before what is recorded, and what is recorded before who was created when.
 */
export const ownershipRules: readonly Rule[] = [
  { event: "starts", guest: "here", active: "anybody", outcome: "own" },
  { event: "starts", guest: "elsewhere", active: "anybody", outcome: "elsewhere" },
  { event: "starts", guest: "not said", active: "it", outcome: "own" },
  { event: "starts", guest: "not said", active: "anybody", outcome: "succeed" },

  { event: "expects", guest: "here", active: "anybody", outcome: "own" },
  { event: "expects", guest: "not said", active: "it", outcome: "own" },
  { event: "expects", guest: "anywhere", active: "another", outcome: "wait" },
  // The VM may be running with another address, given while persistence was off: the guest would lose it on arrival.
  { event: "expects", guest: "anywhere", active: "anybody", outcome: "no source" },

  { event: "runs", guest: "elsewhere", active: "anybody", outcome: "elsewhere" },
  { event: "runs", guest: "anywhere", active: "anybody", outcome: "own" },
];

/** The pod that something happens to. */
export interface Claimant {
  readonly pod: OwningPod;
  /** RFC 3339; absent for a pod that only says where the guest runs. */
  readonly creationTimestamp?: string | undefined;
  /** How it is to be recorded. */
  readonly record: Attributes;
  readonly guest?: GuestFact | undefined;
  /** `guest` was read just now, so what was said of another VMI was said before, whatever its revision. */
  readonly isLive?: boolean | undefined;
  /** Record of the pod in which the guest runs, made anew because no pod is recorded: for a target that would have no source. */
  readonly source?: Attributes | undefined;
}

/** What a pod that claims a VM's address is told. */
export type Claim =
  | { readonly verdict: "write"; readonly owners: Owners; readonly as: "active" | "alternate" }
  /** It already is what it asks to be. */
  | { readonly verdict: "keep"; readonly as: "active" | "alternate" }
  /** A newer pod has it. */
  | { readonly verdict: "older"; readonly than: Attributes }
  /** It may have it once this other pod is over; `isNewer`: and is known to have been created after it. */
  | { readonly verdict: "after"; readonly other: Attributes; readonly isNewer: boolean }
  /** The owners were decided on newer words of KubeVirt's than the claim: ask again. */
  | { readonly verdict: "outdated" }
  | { readonly verdict: "elsewhere" | "no source" };

/** Judges one claim against the owners of one address. `over`: records of pods that are known to be over. */
export function judgeClaim(
  event: OwnershipEvent,
  present: Owners,
  claimant: Claimant,
  over: readonly Attributes[] = [],
): Claim {
  const { pod, guest } = claimant;
  const ofVmi = claimant.isLive ? claimant.record[attribute.vmiUid] : undefined;
  if (isOutdated(present, guest, ofVmi)) return { verdict: "outdated" };
  const heeded = heed(present, guest, pod.namespace);
  const owners = { ...heeded, active: heeded.active ?? claimant.source ?? null };
  const place = placeOf(guest, pod);
  const active = recordOf(owners.active, pod);
  const rule = ownershipRules.find(
    (row) =>
      row.event === event &&
      (row.guest === "anywhere" || row.guest === place) &&
      (row.active === "anybody" || row.active === active),
  );
  switch (rule!.outcome) {
    case "own":
      return write(present, own(owners, claimant), "active", guest);
    case "succeed":
      return succeed(present, owners, claimant, over);
    case "wait":
      return wait(present, owners, claimant, over);
    default:
      return { verdict: rule!.outcome };
  }
}

/** The owners when a sandbox of a pod has ended: it is none of them, and what KubeVirt says is heeded. */
export function ownersAfter(
  present: Owners,
  pod: OwningPod,
  guest: GuestFact | undefined,
): { readonly owners: Owners; readonly wasOwner: boolean } {
  const { active, alternate } = isOutdated(present, guest) ? present : heed(present, guest, pod.namespace);
  const left = {
    active: isOwnerSandbox(active, pod) ? null : active,
    alternate: isOwnerSandbox(alternate, pod) ? null : alternate,
  };
  const wasOwner = left.active !== active || left.alternate !== alternate;
  return { owners: isSame(present, left) ? present : stamp(left, guest), wasOwner };
}

/** The guest has arrived where it was expected, and nobody wrote it down yet: that is made good first. */
function heed(owners: Owners, guest: GuestFact | undefined, namespace: string): Owners {
  const { active, alternate } = owners;
  if (guest?.pod === undefined || !isOwner(alternate, { namespace, name: guest.pod })) return owners;
  return isOwner(active, { namespace, name: guest.pod })
    ? { active, alternate: null }
    : { active: alternate, alternate: active };
}

function isOutdated(owners: Owners, guest: GuestFact | undefined, ofVmi?: string): boolean {
  const known = decidedAt(owners, ofVmi);
  return guest !== undefined && known !== undefined && isEarlier(guest.revision, known);
}

function placeOf(guest: GuestFact | undefined, pod: OwningPod): GuestPlace {
  if (guest?.pod === undefined) return "not said";
  return guest.pod === pod.name ? "here" : "elsewhere";
}

function recordOf(owner: Attributes | null, pod: OwningPod): RecordOf {
  if (!owner) return "nobody";
  return isOwner(owner, pod) ? "it" : "another";
}

/** The pod's record. One that stands already may know more than the claim does; that of an earlier sandbox is renewed. */
function recordFor(owners: Owners, { pod, record }: Claimant): Attributes {
  const known = [owners.active, owners.alternate].find((owner) => isOwner(owner, pod));
  if (!known) return record;
  const isThisSandbox = !pod.containerId || known[attribute.container] === pod.containerId;
  return isThisSandbox ? known : { ...known, ...record };
}

function own(owners: Owners, claimant: Claimant): Owners {
  const others = [owners.alternate, owners.active].filter((owner) => owner && !isOwner(owner, claimant.pod));
  return { active: recordFor(owners, claimant), alternate: others[0] ?? null };
}

/** Without a word of KubeVirt's: a pod of a later run of the VM follows the earlier ones. */
function succeed(present: Owners, owners: Owners, claimant: Claimant, over: readonly Attributes[]): Claim {
  const vmi = claimant.record[attribute.vmiUid];
  for (const other of [owners.active, owners.alternate]) {
    if (!other || isOwner(other, claimant.pod) || isListed(over, other)) continue;
    const newer = isNewer(claimant.creationTimestamp ?? "", other);
    if (newer === false) return { verdict: "older", than: other };
    // A VMI that never migrated has one pod: a second one beside it has to wait for the end of the first.
    const isSameRun = vmi !== undefined && other[attribute.vmiUid] === vmi;
    if (newer === undefined || isSameRun) return { verdict: "after", other, isNewer: newer === true };
  }
  const next = { active: recordFor(owners, claimant), alternate: null };
  return write(present, next, "active", claimant.guest);
}

function wait(present: Owners, owners: Owners, claimant: Claimant, over: readonly Attributes[]): Claim {
  const { active, alternate } = owners;
  const { pod, creationTimestamp = "" } = claimant;
  if (isOwner(alternate, pod)) {
    // A newer active pod: this one is the source of a migration that is over, and its end was not recorded.
    if (active && isNewer(creationTimestamp, active) === false) return { verdict: "older", than: active };
  } else
    for (const other of [alternate, active]) {
      if (!other || isListed(over, other)) continue;
      const newer = isNewer(creationTimestamp, other);
      if (newer === false) return { verdict: "older", than: other };
      if (newer === undefined && other === alternate) return { verdict: "after", other, isNewer: false };
    }
  return write(present, { active, alternate: recordFor(owners, claimant) }, "alternate", claimant.guest);
}

function isListed(records: readonly Attributes[], owner: Attributes): boolean {
  const keys = [attribute.namespace, attribute.pod, attribute.podUid];
  return records.some((record) => keys.every((key) => record[key] === owner[key]));
}

function write(
  present: Owners,
  next: Owners,
  as: "active" | "alternate",
  guest: GuestFact | undefined,
): Claim {
  return isSame(present, next)
    ? { verdict: "keep", as }
    : { verdict: "write", owners: stamp(next, guest), as };
}

/** Notes on what word of KubeVirt's the owners were decided. */
function stamp(owners: Owners, guest: GuestFact | undefined): Owners {
  if (!guest?.revision) return owners;
  const noted = (owner: Attributes) => ({ ...owner, [attribute.vmiRevision]: guest.revision });
  return owners.active
    ? { ...owners, active: noted(owners.active) }
    : { ...owners, alternate: owners.alternate && noted(owners.alternate) };
}

const isSame = (a: Owners, b: Owners): boolean =>
  isSameRecord(a.active, b.active) && isSameRecord(a.alternate, b.alternate);

function isSameRecord(a: Attributes | null, b: Attributes | null): boolean {
  if (!a || !b) return a === b;
  const keys = new Set([...Object.keys(a), ...Object.keys(b)]);
  return [...keys].every((key) => a[key] === b[key]);
}
