import { attribute } from "./attributes.ts";
import type { Owners } from "./block-draft.ts";
import type { Attributes } from "./resources.ts";
import type { PodIdentity } from "./workload-types.ts";

/** What a pod that asks for a VM's address is told. */
export type Claim =
  | { readonly verdict: "write"; readonly owners: Owners; readonly as: "active" | "alternate" }
  /** It already is what it asks to be. */
  | { readonly verdict: "keep"; readonly as: "active" | "alternate" }
  /** A newer pod has it. */
  | { readonly verdict: "older"; readonly than: Attributes }
  /** No pod of the VM runs with this address, so there is nothing to take over. */
  | { readonly verdict: "no source" }
  /** Nobody can tell from the records who is newer. */
  | { readonly verdict: "undecided"; readonly against: Attributes };

/** Whether an owner record is this pod's. UIDs decide where both are known. */
export function isOwner(
  owner: Attributes | null,
  pod: { readonly namespace: string; readonly name: string; readonly uid?: string | undefined },
): boolean {
  if (!owner || owner[attribute.pod] !== pod.name || owner[attribute.namespace] !== pod.namespace)
    return false;
  const uid = owner[attribute.podUid];
  return !uid || !pod.uid || uid === pod.uid;
}

/** Whether `pod` was created after the pod of the record: true, false, or undefined when the record does not say. */
export function isNewer(pod: PodIdentity, owner: Attributes): boolean | undefined {
  const created = Date.parse(pod.creationTimestamp);
  const other = Date.parse(owner[attribute.podCreated] ?? "");
  if (Number.isFinite(other)) return created === other ? undefined : created > other;
  // The incumbent records when the address was given, which is after the pod's creation.
  const given = parseTimestamp(owner[attribute.timestamp]);
  return given !== undefined && created > given ? true : undefined;
}

/** Reads RFC 3339 and the incumbent's `2006-01-02 15:04:05.999 +0000 UTC`. */
export function parseTimestamp(text: string | undefined): number | undefined {
  if (!text) return undefined;
  const match = /^(\d{4}-\d\d-\d\d)[ T](\d\d:\d\d:\d\d(?:\.\d{1,9})?)\s*(?:Z|\+0000 UTC|\+00:00)?/.exec(text);
  const at = match ? Date.parse(`${match[1]}T${match[2]!.slice(0, 12)}Z`) : Number.NaN;
  return Number.isFinite(at) ? at : undefined;
}

/** The time as the incumbent writes it: `2006-01-02 15:04:05.999 +0000 UTC`. */
export const formatTimestamp = (at: Date): string =>
  `${at.toISOString().replace("T", " ").replace("Z", "")} +0000 UTC`;

/**
 * A pod wants to be the VM's active pod. It may replace owners that are older, never one that is newer; so a late retry of an old pod
 * cannot take the address from its successor.
 */
export function claimActive({ active, alternate }: Owners, pod: PodIdentity, record: Attributes): Claim {
  if (isOwner(active, pod)) return { verdict: "keep", as: "active" };
  for (const other of [active, alternate]) {
    if (!other || isOwner(other, pod)) continue;
    const newer = isNewer(pod, other);
    if (newer === undefined) return { verdict: "undecided", against: other };
    if (!newer) return { verdict: "older", than: other };
  }
  // A newer active pod means the VM was started anew: no older migration is still under way.
  return { verdict: "write", as: "active", owners: { active: record, alternate: null } };
}

/**
 * A migration target wants to wait as alternate owner. A target whose migration is complete is active already and stays so; the record
 * of an older migration gives way to a newer one.
 */
export function claimAlternate({ active, alternate }: Owners, pod: PodIdentity, record: Attributes): Claim {
  if (isOwner(active, pod)) return { verdict: "keep", as: "active" };
  if (isOwner(alternate, pod)) {
    // A newer active pod: this one is the source of a migration that is over, and its end was not recorded.
    const hasLeft = active && isNewer(pod, active) === false;
    return hasLeft ? { verdict: "older", than: active } : { verdict: "keep", as: "alternate" };
  }
  // The VM may be running with another address, given while persistence was off: the guest would lose it on arrival.
  if (!active) return { verdict: "no source" };
  for (const other of [alternate, active]) {
    if (!other) continue;
    const newer = isNewer(pod, other);
    if (newer === undefined && other === alternate) return { verdict: "undecided", against: other };
    if (newer === false) return { verdict: "older", than: other };
  }
  return { verdict: "write", as: "alternate", owners: { active, alternate: record } };
}

export type Promotion =
  | { readonly verdict: "write"; readonly owners: Owners }
  | { readonly verdict: "done" }
  | { readonly verdict: "empty" }
  | { readonly verdict: "mismatch"; readonly alternate: Attributes };

/** The target has taken over: owners change places. With the source already gone the alternate side becomes empty. */
export function promote(
  { active, alternate }: Owners,
  pod: { readonly namespace: string; readonly name: string; readonly uid?: string | undefined },
): Promotion {
  if (isOwner(active, pod)) return { verdict: "done" };
  if (!alternate) return { verdict: "empty" };
  if (!isOwner(alternate, pod)) return { verdict: "mismatch", alternate };
  return { verdict: "write", owners: { active: alternate, alternate: active } };
}

/** The owners without this pod; undefined when it is none of them. */
export function withoutOwner(
  { active, alternate }: Owners,
  pod: { readonly namespace: string; readonly name: string; readonly uid?: string | undefined },
): Owners | undefined {
  const isActive = isOwner(active, pod);
  const isAlternate = isOwner(alternate, pod);
  if (!isActive && !isAlternate) return undefined;
  return { active: isActive ? null : active, alternate: isAlternate ? null : alternate };
}

export const describeOwner = (owner: Attributes): string =>
  `pod=${owner[attribute.pod] ?? ""} namespace=${owner[attribute.namespace] ?? ""}`;
