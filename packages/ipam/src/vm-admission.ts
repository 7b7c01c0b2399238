import { attribute } from "./attributes.ts";
import { sameHandle } from "./block-draft.ts";
import type { Engine } from "./engine.ts";
import { IpamError } from "./errors.ts";
import { describeOwner } from "./owner-record.ts";
import { freeUnchanged } from "./release.ts";
import type { Attributes } from "./resources.ts";
import { checkHandleIsOf, exists, sameIdentity, uidsOfHandle, uidsOfRecord } from "./vm-identity.ts";
import type { VmState } from "./vm-state.ts";
import type { VmRequest } from "./workload-request.ts";

/**
 * Lets a VM have what its handle holds. A new VM of an old name: its predecessor must be gone, with its pods; a stopped one
 * is not gone.
 * @returns whether what was held may still be had; false: it was given back, look again
 * @throws IpamError HandleCollision, PreviousVmPresent
 */
export async function admitVm(
  engine: Engine,
  request: VmRequest,
  handle: string,
  state: VmState,
): Promise<boolean> {
  const { pod, vm } = request;
  checkHandleIsOf(handle, state, pod.namespace, vm.name);
  const { held } = state;
  if (held.length === 0) return true;
  const records = held.flatMap(({ owners: { active, alternate } }) => [active, alternate]);
  const strangers = records
    .filter((owner) => owner !== null)
    .filter((owner) => sameIdentity(vm, uidsOfRecord(owner)) === false);
  const kept = uidsOfHandle(state);
  const isReplaced = sameIdentity(vm, kept) === false;
  if (strangers.length === 0 && !isReplaced) return true;
  const present = (what: string) =>
    new IpamError("PreviousVmPresent", `${what} still has the address`, { object: `handle ${handle}` });
  for (const uids of [...(isReplaced ? [kept] : []), ...strangers.map(uidsOfRecord)])
    if (await exists(engine, pod.namespace, vm.name, uids))
      throw present(`the earlier VM ${pod.namespace}/${vm.name} (UID ${uids.vmUid ?? uids.vmiUid})`);
  for (const owner of strangers)
    if (!(await isGone(engine, owner)))
      throw present(`${describeOwner(owner)} of an earlier VM ${pod.namespace}/${vm.name}`);
  if (engine.replacedVm === "renew" && vm.role === "active") {
    engine.logger.info({ handle, vm: vm.name }, "addresses of the earlier VM of this name are released");
    // Only what was judged: somebody may have been given it anew since.
    for (const allocation of held) await freeUnchanged(engine, allocation);
    return false;
  }
  await forgetStrangers(engine, request, handle, state);
  return strangers.length === 0;
}

async function forgetStrangers(engine: Engine, { vm }: VmRequest, handle: string, { held }: VmState) {
  const isStranger = (owner: Attributes | null) =>
    owner !== null && sameIdentity(vm, uidsOfRecord(owner)) === false;
  for (const { block, ordinal, owners } of held)
    if (isStranger(owners.active) || isStranger(owners.alternate))
      await engine.blocks.update(block.cidr, (draft) => {
        const present = draft.at(ordinal);
        if (!present || !sameHandle(present.handle, handle)) return;
        const { active, alternate } = present.owners;
        draft.setOwners(ordinal, {
          active: isStranger(active) ? null : active,
          alternate: isStranger(alternate) ? null : alternate,
        });
      });
}

/** Whether the pod of an owner record certainly does not exist any more. */
export const isGone = async (engine: Pick<Engine, "facts">, owner: Attributes): Promise<boolean> =>
  (await fateOf(engine, owner)) === "gone";

/** What became of the pod of an owner record. `over`: its containers have ended for good. */
export async function fateOf(
  { facts }: Pick<Engine, "facts">,
  owner: Attributes,
): Promise<"unknown" | "gone" | "over" | "present"> {
  if (!facts) return "unknown";
  const pod = await facts.pod(owner[attribute.namespace] ?? "", owner[attribute.pod] ?? "");
  if (!pod || (owner[attribute.podUid] !== undefined && pod.uid !== owner[attribute.podUid])) return "gone";
  return pod.phase === "Succeeded" || pod.phase === "Failed" ? "over" : "present";
}
