import type { Labels } from "@fairlead/api";
import { parseAddress } from "./address.ts";
import type { Allocated, Want } from "./allocator.ts";
import type { Engine } from "./engine.ts";
import { IpamError } from "./errors.ts";
import { giveBack } from "./give-back.ts";
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
  const owners = { active: request.attributes ?? null, alternate: null };
  const index = {
    covers: "all",
    add: (cidr: string, n: number) => engine.handles.add(handle, cidr, n),
  } as const;
  const wants = ([4, 6] as const).flatMap((family): (Want | { readonly has: Allocated[] })[] => {
    const count = request.count[family] ?? 0;
    if (count === 0) return [];
    const has = present.filter(({ block }) => block.family === family);
    if (maxPerHandle !== undefined && has.length > 0 && has.length + count > maxPerHandle) return [{ has }];
    const pools = selectPools(settings.pools, {
      family,
      use,
      node,
      nodeLabels: request.nodeLabels ?? {},
      namespaceLabels: request.namespaceLabels ?? {},
      pools: request.pools?.[family],
    });
    return [{ family, count, handle, owners, pools, maxBlocksPerHost, index }];
  });
  const outcomes = await Promise.allSettled(
    wants.map(async (want) =>
      "has" in want ? { got: want.has } : engine.allocator.allocate(host, want, settings),
    ),
  );
  const failure = outcomes.find((outcome) => outcome.status === "rejected");
  const results = outcomes.flatMap((outcome) => (outcome.status === "fulfilled" ? [outcome.value] : []));
  if (failure) {
    const taken = results.flatMap(({ got }) => got).filter((one) => !present.includes(one));
    await giveBack(engine, taken, index);
    throw failure.reason;
  }
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
  if (maxPerHandle !== undefined) {
    const family = parseAddress(address)?.family;
    const has = (await addressesOf(engine, handle)).filter((held) => held.block.family === family);
    const same = has.find((held) => held.ordinal === held.block.ordinalOf(address));
    if (same) return described(same);
    if (has.length >= maxPerHandle)
      throw new IpamError(
        "HandleLimit",
        `handle ${handle} already has IP(s) allocated (${has.map((held) => held.address).join(", ")}), cannot assign additional IP ${address}`,
      );
  }
  const index = {
    covers: "all",
    add: (cidr: string, n: number) => engine.handles.add(handle, cidr, n),
  } as const;
  const owners = { active: request.attributes ?? null, alternate: null };
  const want = { handle, owners, index, mustBeFree: maxPerHandle === undefined };
  return described(
    await engine.allocator.takeNamed(engine.host(request.node), address, want, request.use, settings),
  );
}
