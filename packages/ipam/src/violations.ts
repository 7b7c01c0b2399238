import { parseCidr } from "./address.ts";
import { nodeOfAffinity } from "./affinities.ts";
import { decodeBlock } from "./block-decode.ts";
import { allocationsOf } from "./block-draft.ts";
import { handleName } from "./names.ts";
import { decodePool, poolOf } from "./pool.ts";
import type { IpamStore } from "./store.ts";

/** What is known of the store beside its objects. */
export interface ViolationOptions {
  /** Nothing is under way and collection has run: handles and affinities must agree exactly, not only be recoverable. */
  readonly settled?: boolean;
  /** CIDRs of pools that existed once: addresses in them may still be in use. */
  readonly formerPools?: readonly string[];
}

/** Checks what must hold in a store at every moment. Empty: all is well. For tests of this package and of its users. */
export async function findViolations(store: IpamStore, options: ViolationOptions = {}): Promise<string[]> {
  const found: string[] = [];
  const pools = (await store.list("IPPool")).map(decodePool);
  const networks = [
    ...pools.map(({ network }) => network),
    ...(options.formerPools ?? []).map((cidr) => parseCidr(cidr)!),
  ];
  const perHandle = new Map<string, Map<string, number>>();
  const owners = new Map<string, string | undefined>();
  for (const block of await store.list("IPAMBlock")) {
    const geometry = decodeBlock(block);
    const { spec } = block;
    owners.set(spec.cidr, nodeOfAffinity(spec.affinity));
    if (!networks.some((network) => poolOf([{ ...pools[0]!, network }], geometry.network)))
      found.push(`block ${spec.cidr} is in no pool`);
    const free = new Set(spec.unallocated);
    for (let ordinal = 0; ordinal < geometry.size; ordinal++)
      if ((spec.allocations[ordinal] === null) !== free.has(ordinal))
        found.push(`${geometry.addressOf(ordinal)} is neither exactly free nor exactly allocated`);
    const used = new Set(spec.allocations.filter((index) => index !== null));
    if (used.size !== spec.attributes.length) found.push(`block ${spec.cidr} has attributes of nobody`);
    for (const { handle, address } of allocationsOf(spec, geometry)) {
      if (!handle) {
        found.push(`${address} has no handle`);
        continue;
      }
      const counts = perHandle.get(handleName(handle)) ?? new Map<string, number>();
      perHandle.set(handleName(handle), counts.set(spec.cidr, (counts.get(spec.cidr) ?? 0) + 1));
    }
  }
  for (const { metadata, spec } of await store.list("IPAMHandle"))
    for (const cidr of new Set([
      ...Object.keys(spec.block),
      ...(perHandle.get(metadata.name)?.keys() ?? []),
    ])) {
      const [said, is] = [spec.block[cidr] ?? 0, perHandle.get(metadata.name)?.get(cidr) ?? 0];
      if (options.settled ? said !== is : said < is && spec.handleID.includes(".vmi."))
        found.push(`handle ${spec.handleID} says ${said} of ${cidr}, the block has ${is}`);
    }
  if (options.settled) {
    const handles = new Set((await store.list("IPAMHandle")).map(({ metadata }) => metadata.name));
    for (const [name, counts] of perHandle) {
      if (!name.includes(".vmi.")) continue;
      if (!handles.has(name)) found.push(`VM handle ${name} has addresses and no object`);
      for (const family of [4, 6]) {
        const held = [...counts].filter(([cidr]) => cidr.includes(":") === (family === 6));
        if (held.reduce((sum, [, count]) => sum + count, 0) > 1)
          found.push(`VM handle ${name} has two IPv${family} addresses`);
      }
    }
    for (const { spec } of await store.list("BlockAffinity"))
      if (owners.get(spec.cidr) !== spec.node)
        found.push(`affinity of ${spec.node} to ${spec.cidr} is not the block's`);
  }
  return found;
}
