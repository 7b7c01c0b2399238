import { readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { kinds } from "@fairlead/api";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { startTwoNodes, type TestNode, type TwoNodes } from "./two-nodes.fixture.ts";
import { putPod, VirtualMachineObjects } from "./virtual-machine.fixture.ts";

const mac = "02:aa:00:00:00:01";

/** What is lost besides the agent's notes. */
const losses = ["nothing else", "the status files, too"] as const;

describe("an agent whose notes are lost", () => {
  let nodes: TwoNodes;
  let a: TestNode;
  let b: TestNode;
  beforeEach(async () => {
    nodes = await startTwoNodes();
    ({ a, b } = nodes);
  });
  afterEach(() => nodes[Symbol.asyncDispose]());

  const metricsOf = (node: TestNode) => node.routes().map((route) => Number(route.split(" ")[1]));
  const stateOf = (node: TestNode) => node.agent.migrations.list().map(({ record }) => record.state);
  const routeEvents = (node: TestNode) =>
    node.timeline.events.filter(({ event }) => event === "route-added" || event === "route-removed");

  const lose = (node: TestNode, loss: (typeof losses)[number]) =>
    node.restart((directory) => {
      rmSync(directory, { recursive: true });
      if (loss !== "nothing else") rmSync(node.statusDir, { recursive: true, force: true });
    });

  const forceDelete = (name: string) =>
    nodes.cluster.client().delete(kinds.Pod, { namespace: "default", name }, { gracePeriodSeconds: 0 });

  const inUse = async () => {
    const { items } = await nodes.cluster.client().list(kinds.IPAMBlock);
    return items.flatMap(({ spec }) => spec.allocations).filter((one) => one !== null).length;
  };

  it.each(losses)(
    "finds its pods again, which keep routes and policy, and ends them without a trace (%s)",
    async (loss) => {
      for (const name of ["web", "db"]) {
        putPod(nodes.cluster, name, "node-a");
        expect(await a.add(name)).toMatchObject({ exitCode: 0 });
      }
      const before = [a.routes(), a.links()];
      await lose(a, loss);
      expect([a.routes(), a.links()]).toEqual(before);
      expect([routeEvents(a), stateOf(a), a.remarks()]).toEqual([[], ["Base", "Base"], []]);
      for (const name of ["web", "db"]) await expect.poll(() => a.check(name)).toMatchObject({ exitCode: 0 });
      for (const name of ["web", "db"]) expect(await a.del(name)).toMatchObject({ exitCode: 0 });
      expect([a.routes(), a.links(), await inUse()]).toEqual([[], [], 0]);
    },
  );

  it.each<[string, (note: Record<string, unknown>) => Record<string, unknown>]>([
    ["ADD claimed", ({ linkIndex: _l, mac: _m, ...note }) => ({ ...note, addresses: [], step: "claimed" })],
    ["ADD took addresses", ({ linkIndex: _l, mac: _m, ...note }) => ({ ...note, step: "addressed" })],
    [
      "an earlier sandbox was wired",
      (note) => ({ ...note, containerId: "container-old", linkIndex: (note.linkIndex as number) - 1 }),
    ],
    [
      "a later sandbox was wired that is gone",
      (note) => ({
        ...note,
        containerId: "container-new",
        generation: 9,
        linkIndex: (note.linkIndex as number) + 1,
      }),
    ],
  ])("goes on where the last note says that %s", async (_what, spoil) => {
    putPod(nodes.cluster, "web", "node-a");
    expect(await a.add("web")).toMatchObject({ exitCode: 0 });
    const before = [a.routes(), a.links()];
    await a.restart((directory) => {
      const path = (containerId: unknown) => join(directory, "attachments", `${containerId}.eth0.json`);
      const note = spoil(JSON.parse(readFileSync(path("container-web"), "utf8")));
      rmSync(path("container-web"));
      writeFileSync(path(note.containerId), JSON.stringify(note));
    });
    expect([a.routes(), a.links(), routeEvents(a), a.remarks()]).toEqual([...before, [], []]);
    await expect.poll(() => a.check("web")).toMatchObject({ exitCode: 0 });
    expect(await a.del("web")).toMatchObject({ exitCode: 0 });
    expect([a.routes(), a.links(), await inUse()]).toEqual([[], [], 0]);
  });

  it("puts up with notes that are no directory", async () => {
    putPod(nodes.cluster, "web", "node-a");
    expect(await a.add("web")).toMatchObject({ exitCode: 0 });
    const before = a.routes();
    await a.restart((directory) => {
      rmSync(directory, { recursive: true });
      writeFileSync(directory, "");
    });
    expect(a.routes()).toEqual(before);
    await a.restart();
    expect(a.routes()).toEqual(before);
    expect(await a.del("web")).toMatchObject({ exitCode: 0 });
  });

  /** A VM on node a and a target pod on node b, whose guest has not come yet. */
  async function prepareMigration(): Promise<VirtualMachineObjects> {
    const vm = new VirtualMachineObjects(nodes.cluster, "vm1", mac);
    vm.pod("virt-launcher-vm1-a", "node-a");
    expect(await a.add("virt-launcher-vm1-a")).toMatchObject({ exitCode: 0 });
    vm.runsOn("node-a");
    vm.migration("move", "Scheduling");
    vm.pod("virt-launcher-vm1-b", "node-b", "move");
    expect(await b.add("virt-launcher-vm1-b")).toMatchObject({ exitCode: 0 });
    vm.migration("move", "Running");
    vm.handOff("move", ["virt-launcher-vm1-a", "node-a"], ["virt-launcher-vm1-b", "node-b"]);
    return vm;
  }

  it.each(losses)(
    "hears the guest that arrives at its target, and lets go of the one that left (%s)",
    async (loss) => {
      const vm = await prepareMigration();
      await lose(a, loss);
      await lose(b, loss);
      expect([metricsOf(a), metricsOf(b), stateOf(b)]).toEqual([[1024, 1024], [], ["Target"]]);
      await expect
        .poll(
          () => {
            b.announce("virt-launcher-vm1-b", mac);
            return metricsOf(b);
          },
          { interval: 100 },
        )
        .toEqual([512, 512]);
      await lose(b, loss);
      expect([metricsOf(b), routeEvents(b)]).toEqual([[512, 512], []]);
      vm.runsOn("node-b");
      vm.handOff("move", ["virt-launcher-vm1-a", "node-a"], ["virt-launcher-vm1-b", "node-b"], {
        endTimestamp: "2026-01-01T00:00:20Z",
        completed: true,
      });
      vm.migration("move", "Succeeded");
      await expect.poll(() => a.routes()).toEqual([]);
      await lose(a, loss);
      expect([a.routes(), routeEvents(a), stateOf(a)]).toEqual([[], [], ["Away"]]);
      await expect.poll(() => stateOf(b)).toEqual(["TimeWait"]);
      expect(await a.del("virt-launcher-vm1-a")).toMatchObject({ exitCode: 0 });
      expect([a.links(), metricsOf(b)]).toEqual([[], [512, 512]]);
      nodes.clock.advance(30_000);
      await expect.poll(() => metricsOf(b)).toEqual([1024, 1024]);
      expect(await inUse()).toBe(2);
    },
  );

  it("leaves an interface alone that nobody can explain, says so, and knows it when its pod is seen", async () => {
    putPod(nodes.cluster, "web", "node-a");
    expect(await a.add("web")).toMatchObject({ exitCode: 0 });
    const pod = await nodes.cluster.client().get(kinds.Pod, { namespace: "default", name: "web" });
    await forceDelete("web");
    const before = [a.routes(), a.links()];
    await lose(a, "nothing else");
    expect([a.routes(), a.links(), routeEvents(a)]).toEqual([...before, []]);
    expect(a.remarks()).toEqual([
      `interface ${a.links()[0]} is nobody's and stays as it is: no pod of this node has an interface of this name`,
    ]);
    nodes.cluster.put(kinds.Pod, pod);
    await expect
      .poll(() => {
        nodes.clock.advance(30_000);
        return stateOf(a);
      })
      .toEqual(["Base"]);
    expect([a.routes(), a.links(), a.remarks()]).toEqual([...before, []]);
    expect(await a.del("web")).toMatchObject({ exitCode: 0 });
    expect([a.routes(), a.links(), await inUse()]).toEqual([[], [], 0]);
  });

  it("an interface that nobody can explain ends with its sandbox", async () => {
    putPod(nodes.cluster, "web", "node-a");
    expect(await a.add("web")).toMatchObject({ exitCode: 0 });
    await forceDelete("web");
    await lose(a, "nothing else");
    expect(await a.del("web")).toMatchObject({ exitCode: 0 });
    expect([a.routes(), a.links(), await inUse()]).toEqual([[], [], 0]);
    await expect
      .poll(() => {
        nodes.clock.advance(30_000);
        return a.remarks();
      })
      .toEqual([]);
  });
});
