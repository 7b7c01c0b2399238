import { describe, expect, it } from "vitest";
import { del, Testbed } from "./testbed.ts";

const handle = "net1.vmi.default.a";

describe("the MTU of a VM", () => {
  it("is that of its active pod, kept for its migration targets in any process", async () => {
    const bed = new Testbed();
    const { active, target } = bed.vm("a");
    const first = await bed.boot().workloads.assign(bed.pod("node-1", { vm: active, mtu: 8950 }));
    expect(first.mtu).toBeUndefined();
    const { mtu } = await bed.boot().workloads.assign(bed.pod("node-2", { vm: target, mtu: 1500 }));
    expect(mtu).toBe(8950);
  });

  it("changes when the VM starts anew", async () => {
    const bed = new Testbed();
    const { active, target } = bed.vm("a");
    const { workloads } = bed.boot();
    const pod = bed.pod("node-1", { vm: active, mtu: 8950 });
    await workloads.assign(pod);
    await workloads.release(del(pod));
    await workloads.assign(bed.pod("node-1", { vm: active, mtu: 1450 }));
    expect((await workloads.assign(bed.pod("node-2", { vm: target, mtu: 9000 }))).mtu).toBe(1450);
  });

  it.each(["", "0", "1e3", "-1500", "65536", "many"])(
    "is not known when its record says %j",
    async (text) => {
      const bed = new Testbed();
      const { active, target } = bed.vm("a");
      const { workloads } = bed.boot();
      await workloads.assign(bed.pod("node-1", { vm: active, mtu: 8950 }));
      const object = (await bed.store.get("IPAMHandle", handle))!;
      const annotations = { ...object.metadata.annotations, "ipam.fairlead.dev/mtu": text };
      await bed.store.replace("IPAMHandle", { ...object, metadata: { ...object.metadata, annotations } });
      expect((await workloads.assign(bed.pod("node-2", { vm: target, mtu: 1500 }))).mtu).toBeUndefined();
    },
  );
});
