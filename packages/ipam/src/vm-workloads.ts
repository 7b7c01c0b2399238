import type { Allocated } from "./allocator.ts";
import { handleAnnotation } from "./attributes.ts";
import type { Engine } from "./engine.ts";
import { IpamError } from "./errors.ts";
import type { Claimant } from "./ownership.ts";
import type { Family } from "./resources.ts";
import { admitVm } from "./vm-admission.ts";
import { addFamilies } from "./vm-families.ts";
import { checkVmRequest, identityAnnotations, rememberedMtu, withIdentity } from "./vm-identity.ts";
import { claimOwnership, guestFactOf, recordOfGuest } from "./vm-ownership.ts";
import { readVm, type VmState } from "./vm-state.ts";
import { familiesOf, ownerRecord, type VmRequest } from "./workload-request.ts";
import type { WorkloadAssignment } from "./workload-types.ts";

const rounds = 30;

/**
 * Addresses of a VM, under the handle of the VM. What it has stays its own, whichever pod asks; who of its pods owns it is
 * decided by the rules of `ownership.ts`.
 */
export async function assignVm(
  engine: Engine,
  request: VmRequest,
  handle: string,
  addresses: ReadonlyMap<Family, string>,
): Promise<WorkloadAssignment> {
  const { pod, vm, containerId } = request;
  const families = familiesOf(request, addresses);
  const event = vm.role === "target" ? "expects" : "starts";
  let claimant: Claimant = {
    pod: { ...pod, containerId },
    creationTimestamp: pod.creationTimestamp,
    record: ownerRecord(request, engine.now(), true),
    guest: vm.guest,
  };
  for (let round = 0; round < rounds; round++) {
    const state = await readVm(engine, handle);
    if (!(await admitVm(engine, request, handle, state))) continue;
    if (state.held.length === 0 && vm.role === "target")
      throw noAddress(handle, "no IP allocated to VM handle");
    const settings = await engine.settings();
    checkVmRequest(request, addresses, state, settings);
    let owner: "active" | "alternate" = "active";
    if (state.held.length > 0) {
      const claimed = await claimOwnership(engine, event, handle, state.held, claimant);
      if (claimed === "look again") continue;
      if (claimed === "outdated") {
        claimant = { ...claimant, guest: await readGuest(engine, request), isLive: true };
        continue;
      }
      if (claimed === "no source") {
        const source =
          claimant.source === undefined &&
          (await recordOfGuest(engine, pod.namespace, claimant.guest, state.held));
        if (!source) throw noAddress(handle, "no pod of the VM is recorded as owner on VM handle");
        claimant = { ...claimant, source };
        continue;
      }
      if (claimed === "elsewhere")
        throw new IpamError(
          "GuestElsewhere",
          `the VM runs in pod ${claimant.guest?.pod}, not in ${pod.name}`,
          {
            object: `handle ${handle}`,
          },
        );
      owner = claimed;
    }
    const missing = families.filter((family) => !state.held.some(({ block }) => block.family === family));
    // A target takes over what the VM has; it adds nothing.
    const isComplete = missing.length === 0 || vm.role === "target";
    const added = isComplete
      ? []
      : await addFamilies(engine, request, handle, addresses, missing, state, settings);
    if (!added) continue;
    const held: readonly Allocated[] = [...state.held, ...added];
    const mac = await rememberIdentity(engine, request, handle, owner, state, added.length > 0);
    // A guest that moves keeps what it has, whatever became of the pools.
    const keepsAll = vm.role === "target" || request.familiesAreImplied === true;
    const mtu = owner === "alternate" ? rememberedMtu(state) : undefined;
    return {
      addresses: held
        .filter(({ block }) => keepsAll || families.includes(block.family))
        // A pod's first address is its primary one, IPv4 where there is one, whoever wrote the handle.
        .sort((a, b) => a.block.family - b.block.family)
        .map(({ address, block }) => ({
          address,
          family: block.family,
          blockPrefixLength: block.prefixLength,
        })),
      handle,
      owner,
      reused: state.held.length > 0,
      ...(mac ? { mac } : {}),
      ...(mtu ? { mtu } : {}),
    };
  }
  throw new IpamError("TooManyConflicts", `the addresses of ${handle} kept changing`);
}

const noAddress = (handle: string, why: string) =>
  new IpamError("NoAddressForTarget", `migration target pod but ${why} ${handle}`);

/** What KubeVirt says now. Without facts nobody can say, and the record alone decides. */
async function readGuest(engine: Engine, { pod, vm }: VmRequest): Promise<Claimant["guest"]> {
  const vmi = await engine.facts?.vmi(pod.namespace, vm.name);
  return vmi?.uid === vm.vmiUid ? guestFactOf(vmi, pod) : undefined;
}

/** Keeps with the handle what must outlive its owners: who the VM is, its static MAC, and the MTU it runs with. */
async function rememberIdentity(
  engine: Engine,
  request: VmRequest,
  handle: string,
  owner: "active" | "alternate",
  { object }: VmState,
  isWritten: boolean,
): Promise<string | undefined> {
  const known = object?.metadata.annotations?.[handleAnnotation.mac];
  if (owner === "alternate") return known ?? request.mac;
  const identity = identityAnnotations(request);
  if (!isWritten && withIdentity(object?.metadata.annotations, identity))
    await engine.handles.update(handle, (present) => {
      const annotations = withIdentity(present?.metadata.annotations, identity);
      return present && annotations ? { spec: present.spec, annotations } : undefined;
    });
  return request.mac ?? known;
}
