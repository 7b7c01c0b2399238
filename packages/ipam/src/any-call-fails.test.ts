/** Every call of an ADD fails in every way, and DEL follows, in the same process and in the next one, with and without a second ADD. */
import { describe, expect, test } from "vitest";
import { createFaultyStore, type StoreCallRecord, type StoreFault } from "./faulty-store.ts";
import type { IPPoolSpec } from "./resources.ts";
import { del, Testbed } from "./testbed.ts";
import type { WorkloadRequest } from "./workload-types.ts";

const wide4 = { cidr: "10.0.0.0/24" };
const wide6 = { cidr: "fd00::/112" };
/** One block, of another node: an address can only be borrowed. */
const one4 = { cidr: "10.0.0.0/30", blockSize: 30 };
const one6 = { cidr: "fd00::/126", blockSize: 126 };

interface Case {
  readonly pools: readonly IPPoolSpec[];
  /** Blocks of node-2. */
  readonly foreign?: readonly string[];
  readonly pod: (bed: Testbed) => WorkloadRequest;
}

const cases: Readonly<Record<string, Case>> = {
  "a pod": { pools: [wide4, wide6], pod: (bed) => bed.pod("node-1") },
  "a pod that borrows its IPv4 address": {
    pools: [one4, wide6],
    foreign: [one4.cidr],
    pod: (bed) => bed.pod("node-1"),
  },
  "a pod that borrows its IPv6 address": {
    pools: [wide4, one6],
    foreign: [one6.cidr],
    pod: (bed) => bed.pod("node-1"),
  },
  "a pod that borrows both": {
    pools: [one4, one6],
    foreign: [one4.cidr, one6.cidr],
    pod: (bed) => bed.pod("node-1"),
  },
  "a VM": { pools: [wide4, wide6], pod: (bed) => bed.pod("node-1", { vm: bed.vm("a").active }) },
  "a VM with named addresses": {
    pools: [wide4, wide6],
    pod: (bed) => bed.pod("node-1", { vm: bed.vm("a").active, addresses: ["10.0.0.77", "fd00::77"] }),
  },
};

/** What happens to call `n` and those after it. */
const troubles: Readonly<Record<string, (n: number) => (call: StoreCallRecord) => StoreFault | undefined>> = {
  "has no answer":
    (n) =>
    ({ number }) =>
      number === n ? "fail" : undefined,
  "is refused":
    (n) =>
    ({ number }) =>
      number === n ? "refuse" : undefined,
  "lands unheard":
    (n) =>
    ({ number }) =>
      number === n ? "lose" : undefined,
  "lands unheard, and the server is down":
    (n) =>
    ({ number }) =>
      number === n ? "lose" : number > n ? "fail" : undefined,
};

const left = async ({ store }: Testbed) => ({
  addresses: (await store.list("IPAMBlock")).flatMap(({ spec }) => spec.attributes),
  handles: await store.list("IPAMHandle"),
});

describe.each(Object.entries(cases))("nothing is left of %s", (_what, { pools, foreign = [], pod }) => {
  async function start() {
    const bed = new Testbed(...pools);
    for (const cidr of foreign) await bed.boot().affinities.claim("node-2", cidr);
    return { bed, request: pod(bed) };
  }

  test.each(Object.entries(troubles))("when a call of its ADD %s", async (_how, trouble) => {
    const { bed, request } = await start();
    const counted = createFaultyStore(bed.store);
    await bed.boot({ store: counted }).workloads.assign(request);
    for (let n = 1; n <= counted.calls.length; n++)
      for (const again of [false, true])
        for (const isRestarted of [false, true]) {
          const { bed, request } = await start();
          let isOver = false;
          const fault = (call: StoreCallRecord) => (isOver ? undefined : trouble(n)(call));
          const first = bed.boot({ store: createFaultyStore(bed.store, { fault }) });
          await first.workloads.assign(request).catch(() => {});
          isOver = true;
          const next = isRestarted ? bed.boot() : first;
          if (again) expect((await next.workloads.assign(request)).addresses).toHaveLength(2);
          await next.workloads.release(del(request, true));
          expect({ n, again, isRestarted, ...(await left(bed)) }).toEqual({
            n,
            again,
            isRestarted,
            addresses: [],
            handles: [],
          });
        }
  });
});
