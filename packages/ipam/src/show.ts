import { cidrSize, parseAddress } from "./address.ts";
import { attribute } from "./attributes.ts";
import { tryDecodeBlock } from "./block-decode.ts";
import { allocationsOf, type Owners } from "./block-draft.ts";
import type { EffectiveConfiguration } from "./configuration.ts";
import type { Engine } from "./engine.ts";
import { IpamError } from "./errors.ts";
import { allocationOf } from "./lookup.ts";
import { poolOf } from "./pool.ts";
import type { Attributes } from "./resources.ts";

/** Addresses of a pool or block, counted. IPv6 counts need bigint. */
export interface Usage {
  readonly cidr: string;
  /** A number as long as it is exact; an IPv6 pool may hold more. */
  readonly total: bigint;
  readonly used: number;
}

/** Usage of a pool and of its blocks. */
export interface PoolUsage extends Usage {
  readonly name: string;
  readonly blocks: readonly Usage[];
}

/** An address in use on a node that does not have its block. */
export interface BorrowedAddress {
  readonly address: string;
  readonly borrowingNode: string;
  readonly block: string;
  /** Empty when the block is nobody's. */
  readonly blockOwner: string;
  /** `vmi`, `pod`, or the type recorded with the address, for example `vxlanTunnelAddress`; else empty. */
  readonly type: string;
  /** Namespace and name of the VM or pod; else empty. */
  readonly allocatedTo: string;
}

/** All that is known of one address. */
export interface ShownAddress extends Owners {
  readonly address: string;
  readonly inUse: boolean;
  readonly handle: string | undefined;
  /** Name of the pool it is in, if any. */
  readonly pool: string | undefined;
}

/** What `ipam show` shows. */
export interface Overview {
  readonly pools: readonly PoolUsage[];
  /** Blocks in no pool: theirs was deleted. */
  readonly orphans: readonly Usage[];
  readonly borrowed: readonly BorrowedAddress[];
  /** Addresses whose node is not recorded, so nobody can tell whether they are borrowed. */
  readonly unclassified: number;
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
  let unclassified = 0;
  const blocks = new Map<string, Usage[]>();
  for (const block of await engine.listBlocks()) {
    const geometry = tryDecodeBlock(block);
    if (!geometry) {
      problems.push(`IPAMBlock ${block.metadata.name} is corrupt and set aside`);
      continue;
    }
    const affinity = block.spec.affinity ?? "";
    const blockOwner = affinity.slice(affinity.indexOf(":") + 1);
    let used = 0;
    for (const { address, owners } of allocationsOf(block.spec, geometry)) {
      used++;
      const borrowingNode = owners.active?.[attribute.node];
      if (borrowingNode === undefined) unclassified++;
      else if (borrowingNode !== blockOwner)
        borrowed.push({
          address,
          borrowingNode,
          block: geometry.cidr,
          blockOwner,
          ...holderOf(owners.active),
        });
    }
    const pool = poolOf(settings.pools, geometry.network)?.name ?? "";
    const usage = { cidr: geometry.cidr, total: BigInt(geometry.size), used };
    const beside = blocks.get(pool);
    if (beside) beside.push(usage);
    else blocks.set(pool, [usage]);
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
    orphans: blocks.get("") ?? [],
    borrowed,
    unclassified,
    configuration: settings.configuration,
    problems,
  };
}

function holderOf(owner: Attributes | null): Pick<BorrowedAddress, "type" | "allocatedTo"> {
  const { [attribute.vmiName]: vm, [attribute.pod]: pod, [attribute.type]: type = "" } = owner ?? {};
  const namespace = owner?.[attribute.namespace] ?? "";
  if (vm) return { type: "vmi", allocatedTo: `${namespace}/${vm}` };
  return pod ? { type: "pod", allocatedTo: `${namespace}/${pod}` } : { type, allocatedTo: "" };
}
