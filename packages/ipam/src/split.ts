import { addressBits, formatCidr, parseCidr } from "./address.ts";
import type { Engine } from "./engine.ts";
import { IpamError } from "./errors.ts";
import { shortened } from "./names.ts";
import { decodePool } from "./pool.ts";
import type { IPPool } from "./resources.ts";

/** Which pool, into how many equal parts. */
export interface SplitRequest {
  /** Into how many pools: a power of two. */
  readonly number: number;
  /** Which pool, by name or CIDR. */
  readonly name?: string | undefined;
  readonly cidr?: string | undefined;
  /** Whether the datastore is locked: nobody allocates meanwhile. */
  readonly datastoreLocked: boolean;
}

/** How much of the pool's name goes into a part's, beside `split-` and a number of up to 10 digits. */
const longestPart = 236;

/**
 * The pools one pool becomes. Pure.
 * @throws IpamError RequestInvalid
 */
export function planSplit(pool: IPPool, number: number): IPPool[] {
  const { network, blockSize } = decodePool(pool);
  const wrong = (message: string) => new IpamError("RequestInvalid", message, { field: "NUMBER" });
  if (!Number.isInteger(number) || number < 2 || (number & (number - 1)) !== 0)
    throw wrong(`${number} is not a power of two greater than 1`);
  const prefixLength = network.prefixLength + Math.log2(number);
  if (prefixLength > blockSize)
    throw wrong(`${number} parts of ${pool.spec.cidr} would be smaller than its blocks (/${blockSize})`);
  const size = 1n << BigInt(addressBits(network.family) - prefixLength);
  return Array.from({ length: number }, (_, i) => ({
    metadata: {
      name: `split-${shortened(pool.metadata.name, longestPart)}-${i}`,
      ...(pool.metadata.labels ? { labels: pool.metadata.labels } : {}),
    },
    spec: {
      ...pool.spec,
      disabled: false,
      blockSize,
      cidr: formatCidr({ ...network, prefixLength, value: network.value + BigInt(i) * size }),
    },
  }));
}

/**
 * Splits a pool. Blocks and allocations stay as they are. Interrupted, it can be repeated: parts that exist are left.
 * @throws IpamError DatastoreNotLocked, PoolNotFound, RequestInvalid
 */
export async function split(engine: Engine, request: SplitRequest): Promise<readonly IPPool[]> {
  if (!request.datastoreLocked)
    throw new IpamError("DatastoreNotLocked", "a pool is split while nobody allocates");
  if ((request.name === undefined) === (request.cidr === undefined))
    throw new IpamError("RequestInvalid", "exactly one of --cidr and --name is needed", { field: "--name" });
  const wanted = request.cidr === undefined ? undefined : parseCidr(request.cidr);
  if (request.cidr !== undefined && !wanted)
    throw new IpamError("RequestInvalid", `"${request.cidr}" is not a CIDR`, { field: "--cidr" });
  const pools = await engine.store.list("IPPool");
  const text = wanted && formatCidr(wanted);
  const pool = pools.find(({ metadata, spec }) =>
    text ? spec.cidr === text : metadata.name === request.name,
  );
  if (!pool) throw new IpamError("PoolNotFound", `IPPool ${request.name ?? request.cidr} does not exist`);
  const parts = planSplit(pool, request.number);
  const existing = new Map(pools.map((one) => [one.metadata.name, one]));
  for (const { metadata, spec } of parts) {
    const other = existing.get(metadata.name)?.spec.cidr;
    if (other !== undefined && other !== spec.cidr)
      throw new IpamError(
        "RequestInvalid",
        `IPPool ${metadata.name} exists and is not a part, it is ${other}`,
        {
          object: `IPPool ${pool.metadata.name}`,
        },
      );
  }
  const created: IPPool[] = [];
  for (const part of parts)
    created.push(existing.get(part.metadata.name) ?? (await engine.store.create("IPPool", part)));
  await engine.store.remove("IPPool", pool);
  await engine.settings({ fresh: true });
  return created;
}
