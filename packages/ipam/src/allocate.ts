import type { Labels } from "@fairlead/api";
import { type Allocated, assignOrdinal } from "./allocator.ts";
import { blockGone } from "./block-table.ts";
import type { Engine } from "./engine.ts";
import { IpamError } from "./errors.ts";
import { addressesOf } from "./lookup.ts";
import { selectPools } from "./pool.ts";
import type { Attributes, Family, PoolUse } from "./resources.ts";

/** Addresses for anything: tunnels, services, tests. Pods and VMs go through `workloads`. */
export interface AllocateRequest {
  readonly handle: string;
  readonly node: string;
  /** How many of each family. */
  readonly count: { readonly 4?: number; readonly 6?: number };
  /** Recorded as active owner. */
  readonly attributes?: Attributes | undefined;
  readonly use: PoolUse;
  readonly nodeLabels?: Labels;
  readonly namespaceLabels?: Labels;
  /** Pool names or CIDRs; selectors and Manual mode do not apply to these. */
  readonly pools?: { readonly 4?: readonly string[]; readonly 6?: readonly string[] } | undefined;
  readonly maxBlocksPerHost?: number | undefined;
  /** A handle that has addresses of a family and would exceed this gets those it has. */
  readonly maxPerHandle?: number | undefined;
}

/** An address that was allocated, and the size of its block in bits of prefix. */
export interface AllocatedAddress {
  readonly address: string;
  readonly family: Family;
  readonly blockPrefixLength: number;
}

/** What an allocation gave. Fewer addresses than asked for are no exception: see `shortages`. */
export interface AllocateResult {
  readonly addresses: readonly AllocatedAddress[];
  /** Why a family got fewer than were asked for. */
  readonly shortages: readonly IpamError[];
}

const described = ({ address, block }: Allocated): AllocatedAddress => ({
  address,
  family: block.family,
  blockPrefixLength: block.prefixLength,
});

/**
 * Takes addresses: from the node's own blocks, by claiming one more, by borrowing.
 * @throws IpamError NoPools, NoQualifiedPool, PoolNotFound; a shortage is part of the answer
 */
export async function allocate(engine: Engine, request: AllocateRequest): Promise<AllocateResult> {
  const { handle, node, use, maxPerHandle, maxBlocksPerHost } = request;
  if (!handle) throw new IpamError("RequestInvalid", "is empty", { field: "handle" });
  const settings = await engine.settings();
  const host = engine.host(node);
  host.labels = request.nodeLabels ?? host.labels;
  const present = maxPerHandle === undefined ? [] : await addressesOf(engine, handle);
  const results = await Promise.all(
    ([4, 6] as const).map(async (family) => {
      const count = request.count[family] ?? 0;
      if (count === 0) return { got: [] };
      const has = present.filter(({ block }) => block.family === family);
      if (maxPerHandle !== undefined && has.length > 0 && has.length + count > maxPerHandle)
        return { got: has };
      const pools = selectPools(settings.pools, {
        family,
        use,
        node,
        nodeLabels: request.nodeLabels ?? {},
        namespaceLabels: request.namespaceLabels ?? {},
        pools: request.pools?.[family],
      });
      const owners = { active: request.attributes ?? null, alternate: null };
      const index = {
        covers: "all",
        add: (cidr: string, n: number) => engine.handles.add(handle, cidr, n),
      } as const;
      return engine.allocator.allocate(
        host,
        { family, count, handle, owners, pools, maxBlocksPerHost, index },
        settings,
      );
    }),
  );
  return {
    addresses: results.flatMap(({ got }) => got.map(described)),
    shortages: results.flatMap((result) =>
      "shortage" in result && result.shortage ? [result.shortage] : [],
    ),
  };
}

/** One given address for a handle. */
export interface AssignRequest {
  readonly address: string;
  readonly handle: string;
  readonly node: string;
  readonly attributes?: Attributes | undefined;
  /** When given, the address's pool must allow it. */
  readonly use?: PoolUse | undefined;
  readonly maxPerHandle?: number | undefined;
}

/**
 * Takes one named address. Repeating it with the same handle and `maxPerHandle` succeeds. Reservations do not count here.
 * @throws IpamError AddressInvalid, AddressNotInPool, AddressInUse, AddressCoolingDown, HandleLimit, StrictAffinity
 */
export async function assignAddress(engine: Engine, request: AssignRequest): Promise<AllocatedAddress> {
  const { address, handle, maxPerHandle } = request;
  const settings = await engine.settings();
  const block = await engine.allocator.blockForAddress(
    engine.host(request.node),
    address,
    request.use,
    settings,
  );
  const ordinal = block.ordinalOf(address);
  if (maxPerHandle !== undefined) {
    const has = (await addressesOf(engine, handle)).filter((held) => held.block.family === block.family);
    const same = has.find((held) => held.block.cidr === block.cidr && held.ordinal === ordinal);
    if (same) return described(same);
    if (has.length >= maxPerHandle)
      throw new IpamError(
        "HandleLimit",
        `handle ${handle} already has IP(s) allocated (${has.map((held) => held.address).join(", ")}), cannot assign additional IP ${address}`,
      );
  }
  await engine.handles.add(handle, block.cidr, 1);
  try {
    const taken = await engine.blocks.update(block.cidr, (draft) => {
      if (draft.at(ordinal) && maxPerHandle === undefined)
        throw new IpamError("AddressInUse", `${address} is already assigned`);
      return assignOrdinal(draft, ordinal, handle, { active: request.attributes ?? null, alternate: null });
    });
    if (taken === blockGone)
      throw new IpamError("TooManyConflicts", `the block of ${address} was removed meanwhile`);
    return described({ ...taken, block });
  } catch (error) {
    await engine.handles.add(handle, block.cidr, -1);
    throw error;
  }
}
