import { attribute } from "./attributes.ts";
import { sameHandle } from "./block-draft.ts";
import { blockGone } from "./block-table.ts";
import type { Engine } from "./engine.ts";
import { IpamError } from "./errors.ts";
import type { VmiFact } from "./facts.ts";
import { describeOwner } from "./owner-record.ts";
import { type Claim, type Claimant, judgeClaim, type OwnershipEvent } from "./ownership.ts";
import type { Attributes } from "./resources.ts";
import { fateOf } from "./vm-admission.ts";
import type { HeldAddress } from "./vm-state.ts";
import type { GuestFact } from "./workload-types.ts";

/** What became of a claim to all addresses of a VM. `look again`: they changed meanwhile. `outdated`: so did the guest's place. */
export type Claimed = "active" | "alternate" | "elsewhere" | "no source" | "look again" | "outdated";

/**
 * Makes a pod the active or alternate owner of all addresses of a VM, each by one conditional write in which the rules are
 * asked again.
 * @throws IpamError OwnedByNewerPod, OwnerUndecided
 */
export async function claimOwnership(
  engine: Engine,
  event: OwnershipEvent,
  handle: string,
  held: readonly HeldAddress[],
  claimant: Claimant,
): Promise<Claimed> {
  const over: Attributes[] = [];
  for (;;) {
    const claims = await Promise.all(
      held.map(({ block, ordinal, stored }) =>
        engine.blocks.update(
          block.cidr,
          (draft): Claim | undefined => {
            const present = draft.at(ordinal);
            if (!present || !sameHandle(present.handle, handle)) return undefined;
            const claim = judgeClaim(event, present.owners, claimant, over);
            if (claim.verdict === "write") draft.setOwners(ordinal, claim.owners);
            return claim;
          },
          stored,
        ),
      ),
    );
    const found = claims.map((claim) => (claim === blockGone ? undefined : claim));
    const blocked = found.find((claim) => claim?.verdict === "after");
    if (blocked?.verdict !== "after") return outcomeOf(found, handle);
    await waitForOver(engine, blocked, handle);
    over.push(blocked.other);
  }
}

function outcomeOf(claims: readonly (Claim | undefined)[], handle: string): Claimed {
  let as: "active" | "alternate" | undefined;
  for (const claim of claims) {
    if (!claim) return "look again";
    switch (claim.verdict) {
      case "older":
        throw new IpamError("OwnedByNewerPod", `${describeOwner(claim.than)} is newer than this pod`, {
          object: `handle ${handle}`,
        });
      case "write":
      case "keep":
        as = claim.as;
        break;
      case "after":
        return "look again";
      default:
        return claim.verdict;
    }
  }
  return as ?? "look again";
}

/** Another pod is recorded as owner: it must have ended. Where nobody can tell, the newer of two follows the older. */
async function waitForOver(engine: Engine, claim: Extract<Claim, { verdict: "after" }>, handle: string) {
  const fate = await fateOf(engine, claim.other);
  if (fate === "gone" || fate === "over" || (fate === "unknown" && claim.isNewer)) return;
  throw new IpamError(
    "OwnerUndecided",
    claim.isNewer
      ? `${describeOwner(claim.other)} is recorded as owner, of the same run of the VM, and has not ended`
      : `${describeOwner(claim.other)} is recorded as owner and cannot be told to be older than this pod`,
    { object: `handle ${handle}` },
  );
}

/** What a VMI says of its guest, seen from one of the VM's pods. */
export function guestFactOf(
  vmi: VmiFact,
  pod: { readonly name: string; readonly uid?: string | undefined },
): GuestFact {
  const { guestPod, activePods = [], revision = "" } = vmi;
  const isOnlyPod = pod.uid !== undefined && activePods.length === 1 && activePods[0] === pod.uid;
  return { pod: guestPod ?? (isOnlyPod ? pod.name : undefined), revision };
}

/**
 * The record of the pod in which the guest runs, made of what the cluster says: its own was lost. Only a pod that has not
 * ended and reports one of the VM's addresses is recorded.
 */
export async function recordOfGuest(
  engine: Engine,
  namespace: string,
  guest: GuestFact | undefined,
  held: readonly HeldAddress[],
): Promise<Attributes | undefined> {
  if (!engine.facts || guest?.pod === undefined) return undefined;
  const pod = await engine.facts.pod(namespace, guest.pod);
  if (!pod || pod.phase === "Succeeded" || pod.phase === "Failed") return undefined;
  if (!held.some(({ address }) => pod.addresses.includes(address))) return undefined;
  return {
    [attribute.pod]: guest.pod,
    [attribute.namespace]: namespace,
    [attribute.podUid]: pod.uid,
    ...(pod.node ? { [attribute.node]: pod.node } : {}),
  };
}
