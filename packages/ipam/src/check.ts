import { formatAddress, parseAddress } from "./address.ts";
import { nodeOfAffinity } from "./affinities.ts";
import { attribute } from "./attributes.ts";
import { tryDecodeBlock } from "./block-decode.ts";
import { allocationsOf } from "./block-draft.ts";
import { blockGeometry } from "./block-geometry.ts";
import type { Engine } from "./engine.ts";
import { checkHandle } from "./handles.ts";
import { type ClusterInventory, factsOf } from "./inventory.ts";
import { judge } from "./leak-verdict.ts";
import { handleName } from "./names.ts";
import { poolOf } from "./pool.ts";
import type { Attributes, Sequence } from "./resources.ts";
import { Unjudged } from "./unjudged.ts";

/** One allocation and whether something uses it. */
export interface CheckedAddress {
  readonly address: string;
  readonly block: string;
  readonly handle: string | undefined;
  readonly sequence: Sequence | undefined;
  /** The active owner as it is recorded. */
  readonly owner: Attributes | null;
  /** Of the active owner; without one, of the block. */
  readonly node: string | undefined;
  /** The block is another node's. */
  readonly isBorrowed: boolean;
  readonly inUse: boolean;
  readonly why: string;
  /** Who says it uses it. */
  readonly users: readonly string[];
}

/** An IPAMHandle object, at one revision. */
export interface CheckedHandle {
  readonly handle: string;
  readonly uid: string | undefined;
  readonly resourceVersion: string | undefined;
}

/** What is allocated, what is used, and where the two differ. */
export interface CheckReport {
  readonly blocks: readonly {
    readonly cidr: string;
    readonly affinity: string | undefined;
    readonly used: number;
  }[];
  readonly pools: readonly string[];
  /** Addresses workloads and nodes say they use. */
  readonly workloadAddresses: number;
  readonly tunnelAddresses: number;
  readonly allocations: readonly CheckedAddress[];
  /** Allocated, and nobody uses them. A stopped VM's address is not among them. */
  readonly leaked: readonly CheckedAddress[];
  /** Used, in a pool, and not allocated. */
  readonly notAllocated: readonly { readonly address: string; readonly user: string }[];
  /** Used and in no enabled pool. */
  readonly notInPool: readonly { readonly address: string; readonly user: string }[];
  readonly handles: {
    /** Objects whose handle has addresses. */
    readonly matched: number;
    /** Objects whose handle has none. */
    readonly unused: readonly CheckedHandle[];
    /** Handles of VMs that have addresses and no object. An ordinary pod needs none. */
    readonly missing: readonly string[];
  };
  /** Handles, affinities and corrupt objects, in words. */
  readonly inconsistencies: readonly string[];
}

/** How many findings of a report somebody should act on. */
export const problemCount = (report: CheckReport): number =>
  report.leaked.length +
  report.notAllocated.length +
  report.notInPool.length +
  report.handles.unused.length +
  report.inconsistencies.length;

/** Compares what is allocated with what is used. Changes nothing. */
export async function check(engine: Engine, inventory: ClusterInventory): Promise<CheckReport> {
  const settings = await engine.settings({ fresh: true });
  const [blocks, handleObjects, affinities] = await Promise.all([
    engine.listBlocks(),
    engine.store.list("IPAMHandle"),
    engine.store.list("BlockAffinity"),
  ]);
  const facts = factsOf(inventory);
  const handles = new Map(handleObjects.map((object) => [object.metadata.name, object]));
  const inconsistencies = [...settings.problems];
  const unjudged = new Unjudged();
  const checkedBlocks: { cidr: string; affinity: string | undefined; used: number }[] = [];
  const allocations: CheckedAddress[] = [];
  const allocated = new Set<string>();
  const counts = new Map<string, Map<string, number>>();
  const users = inUseBy(inventory);
  const usersOf = new Map<string, string[]>();
  for (const { address, user } of users) {
    const key = canonical(address);
    usersOf.set(key, [...(usersOf.get(key) ?? []), user]);
  }
  for (const block of blocks) {
    const geometry = tryDecodeBlock(block);
    if (!geometry) {
      inconsistencies.push(`IPAMBlock ${block.metadata.name} is corrupt and set aside`);
      continue;
    }
    let used = 0;
    const blockNode = nodeOfAffinity(block.spec.affinity);
    for (const allocation of allocationsOf(block.spec, geometry)) {
      used++;
      const { address, handle, sequence, owners } = allocation;
      allocated.add(address);
      const object = handles.get(handleName(handle ?? ""));
      const verdict = await judge(allocation, {
        facts,
        handle: object,
        persistence: settings.configuration.kubeVirtVMAddressPersistence,
        replacedVm: engine.replacedVm,
      }).catch((error: unknown) => {
        unjudged.add(address, error);
        return { kind: "valid", why: "cannot be judged" } as const;
      });
      const node = owners.active?.[attribute.node] ?? blockNode;
      allocations.push({
        address,
        block: geometry.cidr,
        handle,
        sequence,
        owner: owners.active,
        node,
        isBorrowed: node !== blockNode,
        inUse: verdict.kind === "valid",
        why: verdict.why,
        users: usersOf.get(address) ?? [],
      });
      if (!handle) continue;
      const perBlock = counts.get(handleName(handle)) ?? new Map<string, number>();
      counts.set(handleName(handle), perBlock.set(geometry.cidr, (perBlock.get(geometry.cidr) ?? 0) + 1));
    }
    checkedBlocks.push({ cidr: geometry.cidr, affinity: block.spec.affinity ?? undefined, used });
  }
  inconsistencies.push(...unjudged.problems());
  const unused: CheckedHandle[] = [];
  for (const object of handleObjects) {
    const name = object.metadata.name;
    try {
      checkHandle(object);
    } catch (error) {
      inconsistencies.push(error instanceof Error ? error.message : String(error));
      continue;
    }
    const actual = counts.get(name);
    if (!actual) {
      const { uid, resourceVersion } = object.metadata;
      unused.push({ handle: object.spec.handleID, uid, resourceVersion });
      continue;
    }
    for (const cidr of new Set([...Object.keys(object.spec.block), ...actual.keys()])) {
      const [said, is] = [object.spec.block[cidr] ?? 0, actual.get(cidr) ?? 0];
      if (said !== is)
        inconsistencies.push(`IPAMHandle ${name} says ${said} addresses of ${cidr}, the block has ${is}`);
    }
  }
  const affine = new Map(blocks.map(({ spec }) => [spec.cidr, nodeOfAffinity(spec.affinity)]));
  for (const { metadata, spec } of affinities)
    if (!blockGeometry(spec.cidr))
      inconsistencies.push(
        `BlockAffinity ${metadata.name} spec.cidr: ${JSON.stringify(spec.cidr)} is not the CIDR of a block`,
      );
    else if (affine.get(spec.cidr) !== spec.node)
      inconsistencies.push(
        `BlockAffinity ${metadata.name} gives ${spec.cidr} to ${spec.node}, the block does not`,
      );

  const missing = [...counts.keys()].filter((name) => name.includes(".vmi.") && !handles.has(name));
  const notAllocated: { address: string; user: string }[] = [];
  const notInPool: { address: string; user: string }[] = [];
  const active = settings.pools.filter(({ allocatable }) => allocatable);
  for (const { address, user } of users) {
    const parsed = parseAddress(address);
    if (!parsed || allocated.has(canonical(address))) continue;
    (poolOf(active, parsed) ? notAllocated : notInPool).push({ address, user });
  }
  return {
    blocks: checkedBlocks,
    pools: active.map(({ cidr }) => cidr),
    workloadAddresses: users.filter(({ tunnel }) => !tunnel).length,
    tunnelAddresses: users.filter(({ tunnel }) => tunnel).length,
    allocations,
    leaked: allocations.filter(({ inUse }) => !inUse),
    notAllocated,
    notInPool,
    handles: { matched: handleObjects.length - unused.length, unused, missing },
    inconsistencies,
  };
}

/** As it stands in a block. */
function canonical(text: string): string {
  const address = parseAddress(text);
  return address ? formatAddress(address) : text;
}

/** Who uses which address. Pods on the node's own network and finished ones use none. */
function inUseBy({ pods, nodes }: ClusterInventory) {
  const running = pods.filter(
    ({ hostNetwork, phase }) => !hostNetwork && phase !== "Succeeded" && phase !== "Failed",
  );
  return [
    ...running.flatMap(({ namespace, name, addresses }) =>
      addresses.map((address) => ({ address, user: `Workload(${namespace}/${name})`, tunnel: false })),
    ),
    ...nodes.flatMap(({ name, tunnelAddresses }) =>
      tunnelAddresses.map((address) => ({ address, user: `Node(${name})`, tunnel: true })),
    ),
  ];
}
