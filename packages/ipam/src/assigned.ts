import { attribute } from "./attributes.ts";
import { tryDecodeBlock } from "./block-decode.ts";
import { allocationsOf } from "./block-draft.ts";
import { legacyPodHandle } from "./names.ts";
import type { Attributes, IPAMBlock } from "./resources.ts";
import type { VmIdentity } from "./workload-types.ts";

/** What a block says of one address and one of its owners: which sandbox of which pod has it. */
export interface AssignedAddress {
  readonly address: string;
  readonly handle: string;
  readonly pod: { readonly namespace: string; readonly name: string; readonly uid?: string | undefined };
  /** Absent: the record is the incumbent's, and does not say. */
  readonly network?: string;
  readonly containerId?: string;
  readonly vm?: VmIdentity;
  /** `alternate`: as target of a migration that was under way when it was written. */
  readonly side: "active" | "alternate";
}

/**
 * Addresses with their owners, as blocks record them: one entry for each owner. Blocks that make no sense are left out; so are addresses that
 * rest after their release, and those without an owner.
 */
export function assignedAddresses(blocks: readonly IPAMBlock[]): readonly AssignedAddress[] {
  const found: AssignedAddress[] = [];
  for (const block of blocks) {
    const geometry = tryDecodeBlock(block);
    if (!geometry || block.spec.deleted) continue;
    for (const { address, handle, owners } of allocationsOf(block.spec, geometry))
      for (const side of ["active", "alternate"] as const) {
        const assigned = handle && owners[side] && describe(address, handle, owners[side], side);
        if (assigned) found.push(assigned);
      }
  }
  return found;
}

/** A VM's handle is `<network>.vmi.<namespace>.<vm>`, an ordinary pod's `<network>.<container>`; see names.ts. */
const vmPart = ".vmi.";

function describe(
  address: string,
  handle: string,
  owner: Attributes,
  side: AssignedAddress["side"],
): AssignedAddress | undefined {
  const { [attribute.namespace]: namespace, [attribute.pod]: name, [attribute.podUid]: uid } = owner;
  if (!namespace || !name) return undefined;
  const vmAt = handle.indexOf(vmPart);
  const dot = handle === legacyPodHandle(namespace, name) ? -1 : handle.lastIndexOf(".");
  const network = handle.slice(0, vmAt >= 0 ? vmAt : Math.max(dot, 0));
  const containerId =
    owner[attribute.container] ?? (vmAt >= 0 || dot < 0 ? undefined : handle.slice(dot + 1));
  const { [attribute.vmiName]: vmName, [attribute.vmiUid]: vmiUid, [attribute.vmUid]: vmUid } = owner;
  return {
    address,
    handle,
    pod: { namespace, name, uid },
    ...(network && { network }),
    ...(network && containerId && { containerId }),
    ...(vmAt >= 0 && vmName && vmiUid && { vm: { name: vmName, vmiUid, ...(vmUid && { vmUid }) } }),
    side,
  };
}
