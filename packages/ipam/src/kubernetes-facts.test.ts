import { ApiError, kinds } from "@fairlead/api";
import { FakeCluster, type Faults, failNth } from "@fairlead/api/fake";
import { describe, expect, test } from "vitest";
import { createKubernetesFacts, readInventory } from "./kubernetes-facts.ts";
import { Testbed, texts } from "./testbed.ts";

const minute = 60_000;
const machine = { metadata: { namespace: "default", name: "a" }, spec: { template: { spec: {} } } };

describe("facts", () => {
  const questions = [
    ["pod", (facts) => facts.pod("default", "a")],
    ["vm", (facts) => facts.vm("default", "a")],
    ["vmi", (facts) => facts.vmi("default", "a")],
    ["node", (facts) => facts.node("a")],
  ] as const satisfies readonly [string, (facts: ReturnType<typeof createKubernetesFacts>) => unknown][];

  test.each(questions)("an object that does not exist is undefined (%s)", async (_, ask) => {
    expect(await ask(createKubernetesFacts(new FakeCluster().client()))).toBeUndefined();
  });

  test.each(questions)(
    "no refusal and no failure passes for an object that does not exist (%s)",
    async (_, ask) => {
      for (const code of [
        "Forbidden",
        "Unauthorized",
        "Unavailable",
        "Timeout",
        "Gone",
        "NotServed",
      ] as const)
        await expect(
          ask(createKubernetesFacts(new FakeCluster().client(failNth(1, code)))),
        ).rejects.toThrow();
    },
  );

  test.each([kinds.VirtualMachine, kinds.VirtualMachineInstance])(
    "while the definition of $kind is missing nobody is told that a VM does not exist",
    async (kind) => {
      const cluster = new FakeCluster({ missing: [kind] });
      const facts = createKubernetesFacts(cluster.client());
      const ask = () =>
        kind === kinds.VirtualMachine ? facts.vm("default", "a") : facts.vmi("default", "a");
      await expect(ask()).rejects.toMatchObject({ code: "KubeVirtMissing", retryable: true });
      cluster.serve(kind);
      expect(await ask()).toBeUndefined();
    },
  );
});

describe("an inventory", () => {
  test("says that VMs are unknown while their definition is missing, and tells the rest", async () => {
    const cluster = new FakeCluster({ missing: [kinds.VirtualMachine, kinds.VirtualMachineInstance] });
    cluster.put(kinds.Node, { metadata: { name: "node-1" } });
    const inventory = await readInventory(cluster.client());
    expect(inventory).toMatchObject({ pods: [], nodes: [{ name: "node-1" }] });
    expect(inventory.vms).toBeUndefined();
    expect(inventory.vmis).toBeUndefined();
  });

  test.each(["Pod", "Node", "VirtualMachine", "VirtualMachineInstance"])(
    "fails as a whole when %s cannot be listed",
    async (kind) => {
      const client = new FakeCluster().client((call) =>
        call.kind === kind && call.verb === "list"
          ? { type: "fail", error: new ApiError("Forbidden", "injected") }
          : undefined,
      );
      await expect(readInventory(client)).rejects.toMatchObject({ code: "Forbidden" });
    },
  );

  test("of more pods than fit into a page is complete", async () => {
    const cluster = new FakeCluster();
    for (let i = 0; i < 1001; i++)
      cluster.put(kinds.Pod, { metadata: { namespace: "default", name: `p${i}` }, spec: { containers: [] } });
    const client = cluster.client();
    expect((await readInventory(client)).pods).toHaveLength(1001);
    expect(client.calls.filter(({ kind }) => kind === "Pod")).toHaveLength(3);
  });
});

describe("collection and check", () => {
  async function stoppedVm() {
    const bed = new Testbed();
    const addresses = texts(
      await bed.boot().workloads.assign(bed.pod("node-1", { vm: bed.vm("a", { uid: "vm-a" }).active })),
    );
    const cluster = new FakeCluster();
    cluster.put(kinds.Node, { metadata: { name: "node-1" } });
    cluster.put(kinds.VirtualMachine, { ...machine, metadata: { ...machine.metadata, uid: "vm-a" } });
    const scans = (faults?: Faults) => {
      let monotonic = 0;
      const client = cluster.client(faults);
      const ipam = bed.boot({ inventory: () => readInventory(client) });
      const collector = ipam.collector({
        facts: createKubernetesFacts(client),
        monotonic: () => monotonic,
      });
      return async () => {
        monotonic += 60 * minute;
        return collector.scan();
      };
    };
    return { bed, cluster, addresses, scans };
  }

  test("a stopped VM keeps its address while KubeVirt is upgraded, however long that takes", async () => {
    const { bed, cluster, addresses, scans } = await stoppedVm();
    const scan = scans();
    cluster.unserve(kinds.VirtualMachine);
    cluster.unserve(kinds.VirtualMachineInstance);
    for (let i = 0; i < 4; i++) {
      const report = await scan();
      expect(report.released).toEqual([]);
      expect(report.problems).toHaveLength(1);
      expect(report.problems[0]).toContain(
        "and 1 more cannot be judged: the API server serves no VirtualMachine",
      );
    }
    const inventory = await readInventory(cluster.client());
    const checked = await bed.boot().check(inventory);
    expect(checked.leaked).toEqual([]);
    expect(checked.inconsistencies.join()).toContain("serves no VirtualMachine");
    cluster.serve(kinds.VirtualMachine);
    cluster.serve(kinds.VirtualMachineInstance);
    await scan();
    expect(await scan()).toMatchObject({ released: [], problems: [] });
    expect((await bed.boot().show(addresses[0] ?? "")).inUse).toBe(true);
  });

  test("and loses it when KubeVirt is there and says that the VM is not", async () => {
    const { cluster, scans } = await stoppedVm();
    const scan = scans();
    await cluster.client().delete(kinds.VirtualMachine, machine.metadata);
    await scan();
    expect((await scan()).released).toHaveLength(2);
  });

  test("the definition that goes between the lists and the last question keeps it, too", async () => {
    const { cluster, scans } = await stoppedVm();
    await cluster.client().delete(kinds.VirtualMachine, machine.metadata);
    const scan = scans((call) =>
      call.kind === "VirtualMachine" && call.verb === "get"
        ? { type: "fail", error: new ApiError("NotServed", "injected") }
        : undefined,
    );
    await scan();
    expect((await scan()).released).toEqual([]);
  });

  test("a cluster that never had KubeVirt collects its pods and asks for no VM", async () => {
    const bed = new Testbed();
    await bed.boot().workloads.assign(bed.pod("node-1"));
    const cluster = new FakeCluster({ missing: [kinds.VirtualMachine, kinds.VirtualMachineInstance] });
    cluster.put(kinds.Node, { metadata: { name: "node-1" } });
    const client = cluster.client();
    let monotonic = 0;
    const collector = bed
      .boot({ inventory: () => readInventory(client) })
      .collector({ facts: createKubernetesFacts(client), monotonic: () => monotonic });
    expect(await collector.scan()).toMatchObject({ candidates: 2, problems: [] });
    monotonic += 16 * minute;
    expect((await collector.scan()).released).toHaveLength(2);
    expect(client.calls.filter(({ kind, verb }) => kind.startsWith("Virtual") && verb === "get")).toEqual([]);
  });
});
