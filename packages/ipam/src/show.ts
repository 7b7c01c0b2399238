import { cidrSize, parseAddress } from "./address.ts";
import { nodeOfAffinity } from "./affinities.ts";
import { attribute } from "./attributes.ts";
import { tryDecodeBlock } from "./block-decode.ts";
import { allocationsOf, type Owners } from "./block-draft.ts";
import type { EffectiveConfiguration } from "./configuration.ts";
import type { Engine } from "./engine.ts";
import { IpamError } from "./errors.ts";
import { allocationOf } from "./lookup.ts";
import { poolOf } from "./pool.ts";

export interface Usage {
  readonly cidr: string;
  /** A number as long as it is exact; an IPv6 pool may hold more. */
  readonly total: bigint;
  readonly used: number;
}

export interface PoolUsage extends Usage {
  readonly name: string;
  readonly blocks: readonly Usage[];
}

export interface BorrowedAddress {
  readonly address: string;
  readonly borrowingNode: string;
  readonly block: string;
  readonly blockOwner: string;
  readonly type: "wep" | "vmi" | "tunnel" | "unknown";
  readonly allocatedTo: string;
}

export interface ShownAddress extends Owners {
  readonly address: string;
  readonly inUse: boolean;
  readonly handle: string | undefined;
  /** Name of the pool it is in, if any. */
  readonly pool: string | undefined;
}

export interface Overview {
  readonly pools: readonly PoolUsage[];
  readonly borrowed: readonly BorrowedAddress[];
  readonly configuration: EffectiveConfiguration;
  /** Objects that are set aside because they are corrupt, in words. */
  readonly problems: readonly string[];
}

/** @throws IpamError AddressInvalid */
export async function showAddress(engine: Engine, text: string): Promise<ShownAddress> {
  const address = parseAddress(text);
  if (!address) throw new IpamError("AddressInvalid", `"${text}" is not an IP address`, { field: "--ip" });
  const { pools } = await engine.settings();
  const allocation = await allocationOf(engine, text);
  return {
    address: text,
    inUse: allocation !== undefined,
    handle: allocation?.handle,
    active: allocation?.owners.active ?? null,
    alternate: allocation?.owners.alternate ?? null,
    pool: poolOf(pools, address)?.name,
  };
}

/** Usage of pools and blocks, borrowed addresses, settings: everything `ipam show` can print, from two lists. */
export async function overview(engine: Engine): Promise<Overview> {
  const settings = await engine.settings({ fresh: true });
  const problems = [...settings.problems];
  const borrowed: BorrowedAddress[] = [];
  const blocks = new Map<string, Usage[]>();
  for (const block of await engine.listBlocks()) {
    const geometry = tryDecodeBlock(block);
    if (!geometry) {
      problems.push(`IPAMBlock ${block.metadata.name} is corrupt and set aside`);
      continue;
    }
    const node = nodeOfAffinity(block.spec.affinity);
    let used = 0;
    for (const { address, handle, owners } of allocationsOf(block.spec, geometry)) {
      used++;
      const owner = owners.active ?? {};
      const holder = owner[attribute.node];
      if (node === undefined || holder === undefined || holder === node) continue;
      const vm = owner[attribute.vmiName];
      const type = vm ? "vmi" : owner[attribute.type] ? "tunnel" : owner[attribute.pod] ? "wep" : "unknown";
      borrowed.push({
        address,
        borrowingNode: holder,
        block: geometry.cidr,
        blockOwner: node,
        type,
        allocatedTo: vm
          ? `${owner[attribute.namespace]}/${vm}`
          : owner[attribute.pod]
            ? `${owner[attribute.namespace]}/${owner[attribute.pod]}`
            : (owner[attribute.type] ?? handle ?? ""),
      });
    }
    const pool = poolOf(settings.pools, geometry.network)?.name ?? "";
    const usage = { cidr: geometry.cidr, total: BigInt(geometry.size), used };
    blocks.set(pool, [...(blocks.get(pool) ?? []), usage]);
  }
  const usageOf = (list: readonly Usage[]) => list.reduce((sum, { used }) => sum + used, 0);
  return {
    pools: settings.pools.map((pool) => {
      const own = blocks.get(pool.name) ?? [];
      return {
        name: pool.name,
        cidr: pool.cidr,
        total: cidrSize(pool.network),
        used: usageOf(own),
        blocks: own,
      };
    }),
    borrowed,
    configuration: settings.configuration,
    problems,
  };
}
