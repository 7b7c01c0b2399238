import { expect, test } from "vitest";
import { createFaultyStore } from "./faulty-store.ts";
import { del, Testbed, texts } from "./testbed.ts";

const key = (name = "a", network = "net1") => ({ network, vm: { namespace: "default", name } });

async function migrating() {
  const bed = new Testbed();
  const ipam = bed.boot();
  const { active, target } = bed.vm("a");
  const source = bed.pod("node-1", { vm: active });
  const addresses = texts(await ipam.workloads.assign(source));
  const moved = bed.pod("node-2", { vm: target });
  await ipam.workloads.assign(moved);
  const owners = async () =>
    Promise.all(
      addresses.map(async (address) => {
        const { active, alternate } = await ipam.owners.get(address);
        return [active?.pod, alternate?.pod];
      }),
    );
  return { bed, ipam, source, moved, owners };
}

test("the target becomes active on all addresses, the source alternate, with the migration's UID kept", async () => {
  const { ipam, source, moved, owners } = await migrating();
  await ipam.workloads.promote({ ...key(), pod: moved.pod });
  await ipam.workloads.promote({ ...key(), pod: moved.pod });
  expect(await owners()).toEqual([0, 1].map(() => [moved.pod.name, source.pod.name]));
});

test("with the source already gone the alternate side becomes empty", async () => {
  const { ipam, source, moved, owners } = await migrating();
  await ipam.workloads.release(del(source));
  await ipam.workloads.promote({ ...key(), pod: moved.pod });
  expect(await owners()).toEqual([0, 1].map(() => [moved.pod.name, undefined]));
});

test("no addresses, no alternate owner, and another alternate owner are three different refusals", async () => {
  const { ipam, moved, source } = await migrating();
  await expect(ipam.workloads.promote({ ...key("b"), pod: moved.pod })).rejects.toThrow(
    "no IPs found for handle",
  );
  const stranger = { namespace: "default", name: "stranger" };
  await expect(ipam.workloads.promote({ ...key(), pod: stranger })).rejects.toMatchObject({
    code: "AlternateOwnerMismatch",
  });
  await ipam.workloads.release(del(moved));
  await expect(ipam.workloads.promote({ ...key(), pod: moved.pod })).rejects.toMatchObject({
    code: "AlternateOwnerEmpty",
  });
  await ipam.workloads.promote({ ...key(), pod: source.pod });
});

test("a promotion that died half-way is completed by the next", async () => {
  const { bed, moved, owners } = await migrating();
  let writes = 0;
  const store = createFaultyStore(bed.store, {
    fault: ({ verb }) => (verb === "replace" && ++writes === 1 ? "crash after" : undefined),
  });
  await expect(bed.boot({ store }).workloads.promote({ ...key(), pod: moved.pod })).rejects.toThrow(
    "died after",
  );
  await bed.boot().workloads.promote({ ...key(), pod: moved.pod });
  expect((await owners()).map(([active]) => active)).toEqual([moved.pod.name, moved.pod.name]);
});

test.each([
  ["source first", 0],
  ["target first", 1],
] as const)("a VM being deleted frees its addresses with the last owner: %s", async (_, first) => {
  const { ipam, source, moved } = await migrating();
  const order = first === 0 ? [source, moved] : [moved, source];
  expect((await ipam.workloads.release(del(order[0]!, true))).kept).toHaveLength(2);
  expect((await ipam.workloads.release(del(order[1]!, true))).released).toHaveLength(2);
});

test("a failed target leaves the source as it was, and a newer migration replaces a stale target", async () => {
  const { bed, ipam, source, moved, owners } = await migrating();
  const next = bed.pod("node-3", { vm: bed.vm("a").target });
  await ipam.workloads.assign(next);
  expect((await owners())[0]).toEqual([source.pod.name, next.pod.name]);
  await expect(ipam.workloads.assign(moved)).rejects.toMatchObject({ code: "OwnedByNewerPod" });
  await ipam.workloads.release(del(moved));
  await ipam.workloads.release(del(next));
  expect((await owners())[0]).toEqual([source.pod.name, undefined]);
});

test("a target of a VM without addresses is refused with the incumbent's words", async () => {
  const bed = new Testbed();
  const call = bed.boot().workloads.assign(bed.pod("node-1", { vm: bed.vm("a").target }));
  await expect(call).rejects.toThrow(
    "migration target pod but no IP allocated to VM handle net1.vmi.default.a",
  );
});

test("a VMI of its own, without VirtualMachine, keeps its address until it is deleted", async () => {
  const bed = new Testbed();
  const ipam = bed.boot();
  const vm = { name: "alone", vmiUid: "i1", role: "active" } as const;
  const request = bed.pod("node-1", { vm });
  await ipam.workloads.assign(request);
  expect((await ipam.workloads.release(del(request))).kept).toHaveLength(2);
  expect((await ipam.workloads.assign(bed.pod("node-2", { vm }))).reused).toBe(true);
});
