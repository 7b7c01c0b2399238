import { type Allocated, assignOrdinal } from "./allocator.ts";
import { attribute, handleAnnotation } from "./attributes.ts";
import type { Owners } from "./block-draft.ts";
import { blockGone } from "./block-table.ts";
import type { Engine } from "./engine.ts";
import { IpamError } from "./errors.ts";
import { type Claim, claimActive, claimAlternate, describeOwner } from "./owner-rules.ts";
import { selectPools } from "./pool.ts";
import { releaseByHandle, releaseInBlock } from "./release.ts";
import type { Attributes, Family } from "./resources.ts";
import type { Settings } from "./settings.ts";
import { checkVmRequest, identityAnnotations, sameIdentity } from "./vm-identity.ts";
import { readVm, type VmState } from "./vm-state.ts";
import { familiesOf, ownerRecord } from "./workload-request.ts";
import type { WorkloadAssignment, WorkloadRequest } from "./workload-types.ts";

type VmRequest = WorkloadRequest & { readonly vm: NonNullable<WorkloadRequest["vm"]> };

const rounds = 30;

/**
 * Addresses of a VM, under the handle of the VM. The handle's object names one block per family before an address is taken there, and
 * whoever comes first completes what it names: so two pods of one VM, asking at once on two nodes, cannot get two addresses.
 */
export async function assignVm(
  engine: Engine,
  request: VmRequest,
  handle: string,
  addresses: ReadonlyMap<Family, string>,
): Promise<WorkloadAssignment> {
  const families = familiesOf(request, addresses);
  for (let round = 0; round < rounds; round++) {
    const state = await readVm(engine, handle);
    await admitIdentity(engine, request, handle, state);
    if (state.held.length === 0 && request.vm.role === "target")
      throw new IpamError(
        "NoAddressForTarget",
        `migration target pod but no IP allocated to VM handle ${handle}`,
      );
    const settings = await engine.settings();
    checkVmRequest(request, addresses, state, settings);
    const owner = state.held.length > 0 ? await claimAll(engine, request, handle, state.held) : "active";
    if (owner === undefined) continue;
    const missing = families.filter((family) => !state.held.some(({ block }) => block.family === family));
    // A target takes over what the VM has; it adds nothing.
    if (missing.length > 0 && request.vm.role === "active") {
      await addFamilies(engine, request, handle, addresses, missing, state, settings);
      continue;
    }
    const wanted = state.held.filter(({ block }) => families.includes(block.family));
    const mac = await rememberIdentity(engine, request, handle, owner);
    return {
      addresses: wanted.map(({ address, block }) => ({
        address,
        family: block.family,
        blockPrefixLength: block.prefixLength,
      })),
      handle,
      owner,
      reused: round === 0,
      ...(mac ? { mac } : {}),
    };
  }
  throw new IpamError("TooManyConflicts", `the addresses of ${handle} kept changing`);
}

/** A new VM of an old name: its predecessor must be gone, with its pods. */
async function admitIdentity(engine: Engine, request: VmRequest, handle: string, { object, held }: VmState) {
  const records = held
    .flatMap(({ owners }) => [owners.active, owners.alternate])
    .filter((owner) => owner !== null);
  const strangers = records.filter((owner) => sameIdentity(request.vm, owner) === false);
  const annotations = object?.metadata.annotations ?? {};
  const known = {
    [attribute.vmUid]: annotations[handleAnnotation.vmUid] ?? "",
    [attribute.vmiUid]: annotations[handleAnnotation.vmiUid] ?? "",
  };
  const replaced = strangers.length > 0 || sameIdentity(request.vm, known) === false;
  if (!replaced || held.length === 0) return;
  for (const owner of strangers)
    if (!(await isGone(engine, owner)))
      throw new IpamError(
        "PreviousVmPresent",
        `${describeOwner(owner)} of an earlier VM ${request.vm.name} still owns the address`,
        { object: `handle ${handle}` },
      );
  if (engine.replacedVm === "renew" && request.vm.role === "active") {
    engine.logger.info(
      { handle, vm: request.vm.name },
      "addresses of the earlier VM of this name are released",
    );
    await releaseByHandle(engine, handle, { search: false });
    return;
  }
  for (const { block, ordinal, owners } of held)
    if (strangers.some((owner) => owner === owners.active || owner === owners.alternate))
      await engine.blocks.update(block.cidr, (draft) => {
        const present = draft.at(ordinal);
        const isStranger = (owner: Attributes | null) =>
          owner !== null && sameIdentity(request.vm, owner) === false;
        if (present?.handle !== handle) return;
        draft.setOwners(ordinal, {
          active: isStranger(present.owners.active) ? null : present.owners.active,
          alternate: isStranger(present.owners.alternate) ? null : present.owners.alternate,
        });
      });
}

/** Whether the pod of an owner record certainly does not exist any more. */
async function isGone(engine: Engine, owner: Attributes): Promise<boolean> {
  if (!engine.facts) return false;
  const pod = await engine.facts.pod(owner[attribute.namespace] ?? "", owner[attribute.pod] ?? "");
  return !pod || (owner[attribute.podUid] !== undefined && pod.uid !== owner[attribute.podUid]);
}

async function addFamilies(
  engine: Engine,
  request: VmRequest,
  handle: string,
  addresses: ReadonlyMap<Family, string>,
  missing: readonly Family[],
  state: VmState,
  settings: Settings,
) {
  const host = engine.host(request.node);
  host.labels = request.nodeLabels ?? host.labels;
  await host.load();
  const intents = new Map<Family, string>();
  for (const cidr of Object.keys(state.object?.spec.block ?? {})) {
    const block = await engine.blocks.read(cidr);
    if (block && missing.includes(block.geometry.family)) intents.set(block.geometry.family, cidr);
  }
  const owners: Owners = { active: ownerRecord(request, engine.now(), true), alternate: null };
  const chosen = await Promise.all(
    missing.map(async (family) => {
      const address = addresses.get(family);
      if (address !== undefined) {
        const block = await engine.allocator.blockForAddress(host, address, "Workload", settings);
        return { family, cidr: block.cidr, ordinal: block.ordinalOf(address) };
      }
      const intent = intents.get(family);
      if (intent !== undefined) return { family, cidr: intent };
      const pools = selectPools(settings.pools, {
        family,
        use: "Workload",
        node: host.node,
        nodeLabels: request.nodeLabels ?? {},
        namespaceLabels: request.namespaceLabels ?? {},
        pools: request.pools?.[family],
      });
      const want = { family, count: 1, handle, owners, pools };
      return { family, cidr: (await engine.allocator.chooseBlock(host, want, settings, new Set())).cidr };
    }),
  );
  const revision = state.object?.metadata.resourceVersion;
  let raced = false;
  await engine.handles.update(handle, (present) => {
    raced = present?.metadata.resourceVersion !== revision;
    if (raced) return undefined;
    const block: Record<string, number> = {};
    for (const { block: held } of state.held) block[held.cidr] = (block[held.cidr] ?? 0) + 1;
    for (const { cidr } of chosen) block[cidr] = (block[cidr] ?? 0) + 1;
    return {
      spec: { ...present?.spec, handleID: present?.spec.handleID ?? handle, block, deleted: false },
      annotations: { ...present?.metadata.annotations, ...identityAnnotations(request) },
    };
  });
  if (raced) return;
  const outcomes = await Promise.allSettled(
    chosen.map(async ({ cidr, ordinal }) => {
      const reserved = ordinal === undefined ? settings.reservations : undefined;
      const taken = await engine.blocks.update(cidr, (draft) => {
        const present = draft.ofHandle(handle)[0];
        if (present) return present;
        return ordinal === undefined
          ? draft.allocate(1, handle, owners, reserved?.within(draft.geometry))[0]
          : assignOrdinal(draft, ordinal, handle, owners);
      });
      if (typeof taken !== "object") return undefined;
      await confirm(engine, handle, cidr, taken.ordinal, request);
      return { cidr, ordinal: taken.ordinal };
    }),
  );
  const failure = outcomes.find((outcome) => outcome.status === "rejected");
  for (const [i, outcome] of outcomes.entries()) {
    const taken = outcome.status === "fulfilled" ? outcome.value : undefined;
    // Both families or none, so that a corrected request starts afresh.
    if (taken && failure) await releaseInBlock(engine, taken.cidr, [{ ordinal: taken.ordinal, handle }]);
    if (!taken || failure) await engine.handles.add(handle, chosen[i]!.cidr, -1);
  }
  if (failure) throw failure.reason;
}

/**
 * The object may have been removed between naming the block and writing it (this process was asleep). It is restored, unless it names
 * another block of the family by now: then the address just taken goes back.
 */
async function confirm(engine: Engine, handle: string, cidr: string, ordinal: number, request: VmRequest) {
  let surplus = false;
  await engine.handles.update(handle, (present) => {
    if (present && cidr in present.spec.block) return undefined;
    const family = (text: string) => text.includes(":");
    surplus = Object.keys(present?.spec.block ?? {}).some((other) => family(other) === family(cidr));
    if (surplus) return undefined;
    const block = { ...present?.spec.block, [cidr]: 1 };
    return {
      spec: { ...present?.spec, handleID: present?.spec.handleID ?? handle, block, deleted: false },
      annotations: { ...present?.metadata.annotations, ...identityAnnotations(request) },
    };
  });
  if (surplus) await releaseInBlock(engine, cidr, [{ ordinal, handle }]);
}

/** Makes the pod active or alternate owner of all addresses. Undefined: they changed meanwhile, look again. */
async function claimAll(
  engine: Engine,
  request: VmRequest,
  handle: string,
  held: readonly Allocated[],
): Promise<"active" | "alternate" | undefined> {
  const record = ownerRecord(request, engine.now(), true);
  const rule = request.vm.role === "target" ? claimAlternate : claimActive;
  const decide = async (against: Attributes | undefined) =>
    Promise.all(
      held.map(({ block, ordinal }) =>
        engine.blocks.update(block.cidr, (draft): Claim | undefined => {
          const present = draft.at(ordinal);
          if (!present || present.handle?.toLowerCase() !== handle.toLowerCase()) return undefined;
          const owners = against ? without(present.owners, against) : present.owners;
          const claim = rule(owners, request.pod, record);
          if (claim.verdict === "write") draft.setOwners(ordinal, claim.owners);
          return claim;
        }),
      ),
    );
  let claims = await decide(undefined);
  const undecided = claims.find((claim) => typeof claim === "object" && claim.verdict === "undecided");
  if (typeof undecided === "object" && undecided.verdict === "undecided") {
    if (!(await isGone(engine, undecided.against)))
      throw new IpamError(
        "OwnerUndecided",
        `${describeOwner(undecided.against)} is recorded as owner and cannot be told to be older than this pod`,
        { object: `handle ${handle}` },
      );
    claims = await decide(undecided.against);
  }
  let as: "active" | "alternate" | undefined;
  for (const claim of claims) {
    if (claim === blockGone || claim === undefined) return undefined;
    if (claim.verdict === "older")
      throw new IpamError("OwnedByNewerPod", `${describeOwner(claim.than)} is newer than this pod`, {
        object: `handle ${handle}`,
      });
    if (claim.verdict === "no source")
      throw new IpamError(
        "NoAddressForTarget",
        `migration target pod, but no pod of the VM is recorded as owner on VM handle ${handle}`,
      );
    if (claim.verdict === "undecided") return undefined;
    as = claim.as;
  }
  return as;
}

/** The owners without the record of a pod that is known to be gone. */
function without({ active, alternate }: Owners, gone: Attributes): Owners {
  const is = (owner: Attributes | null) =>
    owner !== null &&
    owner[attribute.pod] === gone[attribute.pod] &&
    owner[attribute.namespace] === gone[attribute.namespace] &&
    owner[attribute.podUid] === gone[attribute.podUid];
  return { active: is(active) ? null : active, alternate: is(alternate) ? null : alternate };
}

/** Keeps with the handle what must outlive its owners: who the VM is, and its static MAC. */
async function rememberIdentity(
  engine: Engine,
  request: VmRequest,
  handle: string,
  owner: "active" | "alternate",
): Promise<string | undefined> {
  if (owner === "alternate") {
    const object = await engine.handles.read(handle);
    return object?.metadata.annotations?.[handleAnnotation.mac] ?? request.mac;
  }
  const object = await engine.handles.update(handle, (present) => {
    if (!present) return undefined;
    const annotations = { ...present.metadata.annotations, ...identityAnnotations(request) };
    const known = present.metadata.annotations ?? {};
    if (Object.entries(annotations).every(([key, value]) => known[key] === value)) return undefined;
    return { spec: present.spec, annotations };
  });
  return object?.metadata.annotations?.[handleAnnotation.mac] ?? request.mac;
}
