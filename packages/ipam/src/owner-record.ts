import { attribute } from "./attributes.ts";
import type { Owners } from "./block-draft.ts";
import type { Attributes } from "./resources.ts";

/** A pod as owner of an address. Without `containerId` any of its sandboxes is meant. */
export interface OwningPod {
  readonly namespace: string;
  readonly name: string;
  readonly uid?: string | undefined;
  readonly containerId?: string | undefined;
}

/** Whether an owner record is this pod's. UIDs decide where both are known. */
export function isOwner(owner: Attributes | null, pod: OwningPod): boolean {
  if (!owner || owner[attribute.pod] !== pod.name || owner[attribute.namespace] !== pod.namespace)
    return false;
  const uid = owner[attribute.podUid];
  return !uid || !pod.uid || uid === pod.uid;
}

/** Whether an owner record names a pod, or a sandbox of it, and not this one. Without `containerId` any of its sandboxes is meant. */
export function isOfAnother(
  owner: Attributes | null,
  { namespace, name, containerId }: Omit<OwningPod, "uid">,
): boolean {
  if (owner?.[attribute.pod] === undefined) return false;
  if (owner[attribute.pod] !== name || owner[attribute.namespace] !== namespace) return true;
  const container = owner[attribute.container];
  return container !== undefined && containerId !== undefined && container !== containerId;
}

/**
 * Whether an owner record is of this very sandbox. A runtime ends sandboxes of a pod that a newer one has replaced long ago;
 * what the newer one owns stays.
 */
export function isOwnerSandbox(owner: Attributes | null, pod: OwningPod): boolean {
  const container = owner?.[attribute.container];
  return isOwner(owner, pod) && (!container || !pod.containerId || container === pod.containerId);
}

/** Whether `pod` was created after the pod of the record: true, false, or undefined when the record does not say. */
export function isNewer(creationTimestamp: string, owner: Attributes): boolean | undefined {
  const created = Date.parse(creationTimestamp);
  const other = Date.parse(owner[attribute.podCreated] ?? "");
  if (Number.isFinite(other)) return created === other ? undefined : created > other;
  // The incumbent records when the address was given, which is after the pod's creation.
  const given = parseTimestamp(owner[attribute.timestamp]);
  return given !== undefined && created > given ? true : undefined;
}

/**
 * The revision of the VMI on which these owners were decided last; undefined when nobody wrote one down. With `ofVmi` what was said of
 * other VMIs does not count: in a cluster restored from a backup revisions begin anew.
 */
export function decidedAt({ active, alternate }: Owners, ofVmi?: string): string | undefined {
  const revisions = [active, alternate]
    .filter((owner) => ofVmi === undefined || (owner?.[attribute.vmiUid] ?? ofVmi) === ofVmi)
    .map((owner) => owner?.[attribute.vmiRevision])
    .filter((text) => text !== undefined);
  return revisions.reduce<string | undefined>(
    (newest, text) => (newest === undefined || isEarlier(newest, text) ? text : newest),
    undefined,
  );
}

/** Resource versions of one API server grow, and are compared as numbers (KEP-5504). Others are not compared. */
export function isEarlier(revision: string, than: string): boolean {
  const isNumber = (text: string) => /^\d{1,30}$/.test(text);
  return isNumber(revision) && isNumber(than) && BigInt(revision) < BigInt(than);
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

export const describeOwner = (owner: Attributes): string =>
  `pod=${owner[attribute.pod] ?? ""} namespace=${owner[attribute.namespace] ?? ""}`;
