import { expect, test } from "vitest";
import { del, Testbed, texts } from "./testbed.ts";

test("a VM that runs anew where revisions begin anew has its address, migrates, and is cleared", async () => {
  const bed = new Testbed();
  const boot = () => bed.boot({ facts: bed.facts });
  const { active, target } = bed.vm("a");
  const first = bed.pod("node-1", { vm: active });
  const has = texts(await boot().workloads.assign(first));
  const moved = bed.pod("node-2", { vm: target });
  await boot().workloads.assign(moved);
  bed.vmis.set("default/a", {
    uid: active.vmiUid,
    ownerUid: active.vmUid,
    deleting: false,
    revision: "900000",
  });
  bed.guestRunsIn("a", moved);
  await boot().workloads.promote(bed.promotion("a", moved));
  await boot().workloads.release(del(first));

  // The backup has the records as they were; pods and VMI are made anew.
  bed.pods.clear();
  bed.vmis.set("default/a", { uid: "vmi-new", ownerUid: active.vmUid, deleting: false, revision: "500" });
  const run = { vmiUid: "vmi-new", guest: { pod: undefined, revision: "500" } };
  const next = bed.pod("node-3", { vm: { ...active, ...run } });
  const assignment = await boot().workloads.assign(next);
  expect([assignment.owner, texts(assignment)]).toEqual(["active", has]);
  const onward = bed.pod("node-1", { vm: { ...target, ...run } });
  expect((await boot().workloads.assign(onward)).owner).toBe("alternate");
  bed.guestRunsIn("a", onward);
  expect(await boot().workloads.promote(bed.promotion("a", onward))).toBe("owner");
  await boot().workloads.release(del(next));
  for (const address of has)
    expect(await boot().owners.get(address)).toMatchObject({
      active: { pod: onward.pod.name },
      alternate: null,
    });
});

test("the word of an earlier run, in which its pod had the guest, gives that pod nothing of a later run", async () => {
  const bed = new Testbed();
  const boot = () => bed.boot({ facts: bed.facts });
  const { active } = bed.vm("a");
  const word = (pod: string, revision: string) => ({ guest: { pod, revision } });
  const old = bed.pod("node-1");
  const early = { ...old, vm: { ...active, ...word(old.pod.name, "100") } };
  await boot().workloads.assign(early);
  bed.vmis.set("default/a", { uid: "vmi-new", ownerUid: active.vmUid, deleting: false, revision: "200" });
  const next = bed.pod("node-2");
  const late = { ...next, vm: { ...active, vmiUid: "vmi-new", ...word(next.pod.name, "200") } };
  const { addresses } = await boot().workloads.assign(late);
  await expect(boot().workloads.assign(early)).rejects.toMatchObject({ code: "OwnedByNewerPod" });
  for (const { address } of addresses)
    expect(await boot().owners.get(address)).toMatchObject({ active: { pod: next.pod.name } });
});
