import type { Allocated, Want } from "./allocator.ts";
import { checkHandleIsOfPod } from "./assign-ordinal.ts";
import { allocationsOfHandle, type Owners } from "./block-draft.ts";
import type { Engine } from "./engine.ts";
import { giveBack } from "./give-back.ts";
import type { HandleIndex } from "./handle-index.ts";
import type { Host } from "./host.ts";
import { selectPools } from "./pool.ts";
import { releaseByHandle, releaseOwn, unlessOfAnother } from "./release.ts";
import type { Family } from "./resources.ts";
import type { Settings } from "./settings.ts";
import { familiesOf, ownerRecord } from "./workload-request.ts";
import type { WorkloadRelease, WorkloadRequest } from "./workload-types.ts";

/** Addresses of an ordinary pod, under the handle of its container. One block write each, shared with its neighbours. */
export async function assignPod(
  engine: Engine,
  request: WorkloadRequest,
  handle: string,
  addresses: ReadonlyMap<Family, string>,
): Promise<{ readonly allocated: readonly Allocated[]; readonly reused: boolean }> {
  const settings = await engine.settings();
  const host = engine.host(request.node);
  host.labels = request.nodeLabels ?? host.labels;
  await host.load();
  const families = familiesOf(request, addresses);
  const owners: Owners = { active: ownerRecord(request, engine.now(), false), alternate: null };
  const present = await presentOf(engine, host, handle, owners);
  const missing = families.filter((family) => !present.some(({ block }) => block.family === family));
  if (present.length === 0 && engine.handleObjects !== "always") host.unindexed.set(handle, families.length);
  const index: HandleIndex = {
    covers: engine.handleObjects === "always" ? "all" : "borrowed",
    async add(cidr, count) {
      // Before the object may exist: whatever fails from here on, DEL looks for it.
      host.unindexed.delete(handle);
      await engine.handles.add(handle, cidr, count);
    },
  };
  const outcomes = await Promise.allSettled(
    missing.map(async (family) => {
      const want: Want = {
        family,
        count: 1,
        handle,
        owners,
        pools: [],
        maxPerHandle: 1,
        index,
      };
      const address = addresses.get(family);
      return address === undefined
        ? takeAny(engine, host, request, want, settings)
        : [await engine.allocator.takeNamed(host, address, want, "Workload", settings)];
    }),
  );
  const fresh = outcomes.flatMap((outcome) => (outcome.status === "fulfilled" ? outcome.value : []));
  const failure = outcomes.find((outcome) => outcome.status === "rejected");
  if (failure) {
    // Both families or none: what this request obtained goes back.
    const isIndexed = ({ block }: Allocated) => index.covers === "all" || !host.has(block.cidr);
    await giveBack(engine, fresh.filter(isIndexed), index);
    await giveBack(
      engine,
      fresh.filter((one) => !isIndexed(one)),
    );
    throw failure.reason;
  }
  if (index.covers === "borrowed" && !host.unindexed.has(handle))
    await countOwn(engine, host, handle, [...present, ...fresh]);
  const kept = present.filter(({ block }) => families.includes(block.family));
  const place = ({ block }: Allocated) => families.indexOf(block.family);
  const allocated = [...kept, ...fresh].sort((a, b) => place(a) - place(b));
  return { allocated, reused: missing.length < families.length };
}

/** What the handle already has in the node's own blocks: the same request came before. */
async function presentOf(engine: Engine, host: Host, handle: string, owners: Owners): Promise<Allocated[]> {
  const present: Allocated[] = [];
  for (const cidr of host.holding(handle)) {
    // Deciding on what is remembered would be wrong if the address was collected meanwhile.
    const found = await engine.blocks.read(cidr);
    if (!found) continue;
    const held = allocationsOfHandle(found.block.spec, found.geometry, handle);
    checkHandleIsOfPod(handle, held, owners);
    for (const allocation of held) present.push({ ...allocation, block: found.geometry });
  }
  return present;
}

async function takeAny(
  engine: Engine,
  host: Host,
  request: WorkloadRequest,
  want: Want,
  settings: Settings,
): Promise<Allocated[]> {
  const pools = selectPools(settings.pools, {
    family: want.family,
    use: "Workload",
    node: host.node,
    nodeLabels: request.nodeLabels ?? {},
    namespaceLabels: request.namespaceLabels ?? {},
    pools: request.pools?.[want.family],
  });
  const { got, shortage } = await engine.allocator.allocate(host, { ...want, pools }, settings);
  if (shortage) throw shortage;
  return got;
}

/** A pod with a borrowed address has an object, and that counts its addresses in own blocks, too. */
async function countOwn(engine: Engine, host: Host, handle: string, held: readonly Allocated[]) {
  const own = held.filter(({ block }) => host.has(block.cidr));
  const counts = Object.fromEntries(own.map(({ block: { cidr } }) => [cidr, 1]));
  await engine.handles.update(
    handle,
    (present) => present && { spec: { ...present.spec, block: { ...present.spec.block, ...counts } } },
  );
}

/**
 * Gives back everything a container has. No read in the usual case: the node's own blocks are remembered, and so is who has
 * addresses in them only. Where addresses of it are missing there, all blocks are looked through, if `search`: the block of one
 * may have been taken from the node.
 */
export async function releasePod(
  engine: Engine,
  { node, pod: { namespace, name }, containerId }: Pick<WorkloadRelease, "node" | "pod" | "containerId">,
  handle: string,
  { search }: { readonly search: boolean },
): Promise<readonly string[]> {
  const host = engine.host(node);
  await host.load();
  const pod = { namespace, name, containerId };
  const own = await releaseOwn(engine, host.holding(handle), handle, unlessOfAnother(pod));
  const released = [...own.released];
  const had = host.unindexed.get(handle);
  const isShort = released.length < (had ?? (await countFamilies(engine)));
  if (had === undefined || isShort)
    released.push(...(await releaseByHandle(engine, handle, { search: search && isShort, pod })));
  host.unindexed.delete(handle);
  return released;
}

/** How many addresses a pod usually has. */
async function countFamilies(engine: Engine): Promise<number> {
  const { pools } = await engine.settings();
  return new Set(pools.map(({ family }) => family)).size;
}
