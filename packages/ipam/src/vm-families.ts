import type { Allocated } from "./allocator.ts";
import { assignOrdinal } from "./assign-ordinal.ts";
import type { Owners } from "./block-draft.ts";
import { blockGone } from "./block-table.ts";
import type { Engine } from "./engine.ts";
import { selectPools } from "./pool.ts";
import { freeUnchanged } from "./release.ts";
import type { Family } from "./resources.ts";
import type { Settings } from "./settings.ts";
import { identityAnnotations, withIdentity } from "./vm-identity.ts";
import type { VmState } from "./vm-state.ts";
import { ownerRecord, type VmRequest } from "./workload-request.ts";

/** Which block an address is to come from; `ordinal`: this very address. */
interface Choice {
  readonly family: Family;
  readonly cidr: string;
  readonly ordinal?: number;
}

const familyOf = (cidr: string): Family => (cidr.includes(":") ? 6 : 4);

/**
 * Takes the addresses a VM lacks. The handle's object names one block per family before an address is taken there, and whoever
 * comes first completes what it names: so two pods of one VM, asking at once on two nodes, cannot get two addresses.
 * @returns undefined: somebody else changed the handle meanwhile, look again
 */
export async function addFamilies(
  engine: Engine,
  request: VmRequest,
  handle: string,
  addresses: ReadonlyMap<Family, string>,
  missing: readonly Family[],
  state: VmState,
  settings: Settings,
): Promise<readonly Allocated[] | undefined> {
  const owners: Owners = { active: ownerRecord(request, engine.now(), true), alternate: null };
  const chosen = await chooseBlocks(engine, request, handle, addresses, missing, state, settings, owners);
  if (!(await nameBlocks(engine, request, handle, state, chosen))) return undefined;

  const outcomes = await Promise.allSettled(
    chosen.map(({ cidr, ordinal }) => {
      const reserved = ordinal === undefined ? settings.reservations : undefined;
      return engine.blocks.update(cidr, (draft) => {
        const present = draft.ofHandle(handle)[0];
        const taken =
          present ??
          (ordinal === undefined
            ? draft.allocate(1, handle, owners, reserved?.within(draft.geometry))[0]
            : assignOrdinal(draft, ordinal, handle, owners));
        return taken && { taken: { ...taken, block: draft.geometry }, isOurs: !present };
      });
    }),
  );
  const results = outcomes.flatMap((outcome) =>
    outcome.status === "fulfilled" && outcome.value !== blockGone && outcome.value ? [outcome.value] : [],
  );
  const failure = outcomes.find((outcome) => outcome.status === "rejected");
  if (failure) {
    // Both families or none, so that a corrected request starts afresh. Another pod of the VM may live on what this call took.
    for (const { taken, isOurs } of results) if (isOurs) await freeUnchanged(engine, taken);
    throw failure.reason;
  }
  if (results.length < chosen.length) return undefined;
  if (
    !(await confirm(
      engine,
      request,
      handle,
      results.map(({ taken }) => taken),
    ))
  )
    return undefined;
  // Another pod of the VM was first in one of them: ownership is to be looked at.
  return results.every(({ isOurs }) => isOurs) ? results.map(({ taken }) => taken) : undefined;
}

async function chooseBlocks(
  engine: Engine,
  request: VmRequest,
  handle: string,
  addresses: ReadonlyMap<Family, string>,
  missing: readonly Family[],
  state: VmState,
  settings: Settings,
  owners: Owners,
): Promise<readonly Choice[]> {
  const host = engine.host(request.node);
  host.labels = request.nodeLabels ?? host.labels;
  await host.load();
  return Promise.all(
    missing.map(async (family): Promise<Choice> => {
      const address = addresses.get(family);
      if (address !== undefined) {
        const block = await engine.allocator.blockForAddress(host, address, "Workload", settings);
        return { family, cidr: block.cidr, ordinal: block.ordinalOf(address) };
      }
      const pools = selectPools(settings.pools, {
        family,
        use: "Workload",
        node: host.node,
        nodeLabels: request.nodeLabels ?? {},
        namespaceLabels: request.namespaceLabels ?? {},
        pools: request.pools?.[family],
      });
      const want = { family, count: 1, handle, owners, pools };
      // Another pod of the VM is about to take one there, or a call that died was.
      for (const cidr of Object.keys(state.object?.spec.block ?? {})) {
        const named = familyOf(cidr) === family ? await engine.blocks.read(cidr) : undefined;
        if (named && engine.allocator.hasRoom(named.block, named.geometry, want, settings))
          return { family, cidr };
      }
      return { family, cidr: (await engine.allocator.chooseBlock(host, want, settings, new Set())).cidr };
    }),
  );
}

/** Writes into the handle from which blocks the VM's addresses are to come. False: somebody else wrote it since it was read. */
async function nameBlocks(
  engine: Engine,
  request: VmRequest,
  handle: string,
  state: VmState,
  chosen: readonly Choice[],
): Promise<boolean> {
  const block: Record<string, number> = {};
  for (const { block: held } of state.held) block[held.cidr] = (block[held.cidr] ?? 0) + 1;
  for (const { cidr } of chosen) block[cidr] = (block[cidr] ?? 0) + 1;
  return engine.handles.replace(handle, state.object, { block, annotations: annotationsFor(request, state) });
}

const annotationsFor = (request: VmRequest, { object }: Pick<VmState, "object">) =>
  withIdentity(object?.metadata.annotations, identityAnnotations(request)) ??
  object?.metadata.annotations ??
  {};

/**
 * The object may have been removed between naming the blocks and writing them (this process was asleep). It is restored, unless
 * it names another block of a family by now: then the address just taken goes back.
 * @returns false when one went back
 */
async function confirm(
  engine: Engine,
  request: VmRequest,
  handle: string,
  taken: readonly Allocated[],
): Promise<boolean> {
  let surplus: readonly Allocated[] = [];
  await engine.handles.update(handle, (present) => {
    const named = present?.spec.block ?? {};
    const unnamed = taken.filter(({ block }) => !(block.cidr in named));
    surplus = unnamed.filter(({ block }) =>
      Object.keys(named).some((cidr) => familyOf(cidr) === block.family),
    );
    const restored = unnamed.filter((one) => !surplus.includes(one));
    if (restored.length === 0) return undefined;
    const block = { ...named, ...Object.fromEntries(restored.map(({ block: { cidr } }) => [cidr, 1])) };
    return {
      spec: { ...present?.spec, handleID: present?.spec.handleID ?? handle, block, deleted: false },
      annotations: annotationsFor(request, { object: present }),
    };
  });
  for (const allocation of surplus) await freeUnchanged(engine, allocation);
  return surplus.length === 0;
}
