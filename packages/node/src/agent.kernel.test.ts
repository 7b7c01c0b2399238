import { readdirSync } from "node:fs";
import { kinds } from "@fairlead/api";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { startTwoNodes, type TestNode, type TwoNodes } from "./two-nodes.fixture.ts";
import { putPod, VirtualMachineObjects } from "./virtual-machine.fixture.ts";

const patience = { timeout: 30_000, interval: 5 };
const mac = "02:aa:00:00:00:01";

describe("two agents over one cluster", () => {
  let nodes: TwoNodes;
  let a: TestNode;
  let b: TestNode;

  beforeEach(async () => {
    nodes = await startTwoNodes();
    ({ a, b } = nodes);
  });
  afterEach(() => nodes[Symbol.asyncDispose]());

  const both = (metric: number) => [`10.244.0.0/32 ${metric}`, `fd00:10:244::/128 ${metric}`];
  const metricsOf = (node: TestNode) => node.routes().map((route) => Number(route.split(" ")[1]));
  const stateOf = (node: TestNode) => node.agent.migrations.list().map(({ record }) => record.state);
  const eventually = (read: () => unknown) => expect.poll(read, patience);

  /** The guest wakes up on node b. It says so until it is heard, as QEMU repeats it: a busy machine may listen late. */
  const wakeUp = () =>
    expect
      .poll(
        () => {
          b.announce("virt-launcher-vm1-b", mac);
          return metricsOf(b);
        },
        { ...patience, interval: 100 },
      )
      .toEqual([512, 512]);

  /** Whether a node sees that a pod has its addresses. */
  const isWired = async (pod: string) => {
    const { metadata } = await nodes.cluster.client().get(kinds.Pod, { namespace: "default", name: pod });
    return Boolean(metadata.annotations?.["cni.projectcalico.org/podIP"]);
  };

  /** A VM on node a and a target pod on node b, whose guest has not come yet. */
  async function prepareMigration(beforeHandOff = () => {}): Promise<VirtualMachineObjects> {
    const vm = new VirtualMachineObjects(nodes.cluster, "vm1", mac);
    vm.pod("virt-launcher-vm1-a", "node-a");
    expect(await a.add("virt-launcher-vm1-a")).toMatchObject({ exitCode: 0 });
    vm.runsOn("node-a");
    vm.migration("move", "Scheduling");
    vm.pod("virt-launcher-vm1-b", "node-b", "move");
    expect(await b.add("virt-launcher-vm1-b")).toMatchObject({ exitCode: 0 });
    beforeHandOff();
    vm.migration("move", "Running");
    vm.handOff("move", ["virt-launcher-vm1-a", "node-a"], ["virt-launcher-vm1-b", "node-b"]);
    return vm;
  }

  const succeed = (vm: VirtualMachineObjects) => {
    vm.runsOn("node-b");
    vm.handOff("move", ["virt-launcher-vm1-a", "node-a"], ["virt-launcher-vm1-b", "node-b"], {
      endTimestamp: "2026-01-01T00:00:20Z",
      completed: true,
    });
    vm.migration("move", "Succeeded");
  };

  it("wire a pod: interface, routes of both families, status file, annotations; and unwire it without a trace", async () => {
    putPod(nodes.cluster, "web", "node-a");
    const { exitCode, body } = await a.add("web");
    expect([exitCode, body?.msg]).toEqual([0, undefined]);
    expect(metricsOf(a)).toEqual([1024, 1024]);
    expect(a.links()).toHaveLength(1);
    expect(readdirSync(a.statusDir)).toEqual(["k8s default%2Fweb eth0"]);
    const pod = await nodes.cluster.client().get(kinds.Pod, { namespace: "default", name: "web" });
    expect(pod.metadata.annotations).toMatchObject({ "cni.projectcalico.org/containerID": "container-web" });
    expect((await a.add("web")).body?.ips).toEqual(body?.ips);
    expect(await a.del("web")).toEqual({ exitCode: 0, body: undefined });
    expect([a.routes(), a.links(), readdirSync(a.statusDir)]).toEqual([[], [], []]);
    expect((await a.del("web")).exitCode).toBe(0);
  });

  it("move a VM: no route, elevated by the announcement, normal after convergence; the source lets go", async () => {
    const vm = await prepareMigration();
    expect(metricsOf(a)).toEqual([1024, 1024]);
    expect(b.routes()).toEqual([]);
    await wakeUp();
    expect(b.routes().map((route) => route.split(" ")[0])).toEqual(
      a.routes().map((route) => route.split(" ")[0]),
    );
    expect(metricsOf(a)).toEqual([1024, 1024]);
    succeed(vm);
    await eventually(() => stateOf(b)).toEqual(["TimeWait"]);
    await eventually(() => a.routes()).toEqual([]);
    await eventually(() => b.timeline.events.map(({ event }) => event)).toContain("promoted");
    expect((await a.del("virt-launcher-vm1-a")).exitCode).toBe(0);
    await eventually(() => isWired("virt-launcher-vm1-a")).toBe(false);
    nodes.clock.advance(29_999);
    expect(metricsOf(b)).toEqual([512, 512]);
    nodes.clock.advance(1);
    await eventually(() => metricsOf(b)).toEqual([1024, 1024]);
  });

  it("hear nothing from a pod that KubeVirt has not named as the target of the migration it claims", async () => {
    const vm = new VirtualMachineObjects(nodes.cluster, "vm1", mac);
    vm.pod("virt-launcher-vm1-a", "node-a");
    await a.add("virt-launcher-vm1-a");
    vm.runsOn("node-a");
    vm.migration("move", "Scheduling");
    vm.pod("virt-launcher-vm1-b", "node-b", "move");
    expect(await b.add("virt-launcher-vm1-b")).toMatchObject({ exitCode: 0 });
    expect(stateOf(b)).toEqual(["Candidate"]);
    b.announce("virt-launcher-vm1-b", mac);
    vm.pod("virt-launcher-vm1-c", "node-b", "move");
    vm.handOff("move", ["virt-launcher-vm1-a", "node-a"], ["virt-launcher-vm1-c", "node-b"]);
    await eventually(() => stateOf(b)).toEqual(["Away"]);
    b.announce("virt-launcher-vm1-b", mac);
    expect([b.routes(), metricsOf(a)]).toEqual([[], [1024, 1024]]);
    expect(b.timeline.events.map(({ event }) => event)).not.toContain("announcement");
  });

  it("stay elevated beyond the convergence time until the old place has let go, however late its agent is back", async () => {
    const vm = await prepareMigration();
    await wakeUp();
    succeed(vm);
    await eventually(() => stateOf(b)).toEqual(["TimeWait"]);
    for (let i = 0; i < 20; i++) {
      nodes.clock.advance(30_000);
      await new Promise(setImmediate);
    }
    expect(metricsOf(b)).toEqual([512, 512]);
    expect((await a.del("virt-launcher-vm1-a")).exitCode).toBe(0);
    await eventually(() => {
      nodes.clock.advance(5_000);
      return metricsOf(b);
    }).toEqual([1024, 1024]);
  });

  it("arrive with better routes than those another node still announces, and settle when it does no more", async () => {
    const announced = (metric: number) =>
      b.routesElsewhere(
        a.routes().map((route) => route.split(" ")[0]!),
        metric,
      );
    const vm = await prepareMigration(() => announced(512));
    await eventually(() => {
      b.announce("virt-launcher-vm1-b", mac);
      return metricsOf(b);
    }).toEqual([511, 511]);
    announced(510);
    nodes.clock.advance(5_000);
    await eventually(() => metricsOf(b)).toEqual([509, 509]);
    await b.restart();
    expect(metricsOf(b)).toEqual([509, 509]);
    succeed(vm);
    await eventually(() => stateOf(b)).toEqual(["TimeWait"]);
    await a.del("virt-launcher-vm1-a");
    nodes.clock.advance(60_000);
    await new Promise(setImmediate);
    expect(metricsOf(b)).toEqual([509, 509]);
    b.routesElsewhere([], 0);
    await eventually(() => {
      nodes.clock.advance(5_000);
      return metricsOf(b);
    }).toEqual([1024, 1024]);
  });

  it("a source that was away while its guest left is no owner, and the VM can migrate again", async () => {
    const vm = await prepareMigration();
    await wakeUp();
    await eventually(() => stateOf(b)).toEqual(["Live"]);
    await a.kill();
    succeed(vm);
    await eventually(() => b.timeline.events.map(({ event }) => event)).toContain("promoted");
    await a.restart();
    await eventually(() => a.routes()).toEqual([]);
    expect(a.timeline.events.map(({ event }) => event)).not.toContain("promoted");
    expect((await a.del("virt-launcher-vm1-a")).exitCode).toBe(0);
    vm.migration("back", "Scheduling", 40);
    vm.pod("virt-launcher-vm1-a2", "node-a", "back");
    expect(await a.add("virt-launcher-vm1-a2")).toMatchObject({ exitCode: 0 });
  });

  it("do not believe an announcement with another MAC", async () => {
    await prepareMigration();
    b.announce("virt-launcher-vm1-b", "02:bb:00:00:00:02");
    await wakeUp();
    // The routes move before the main loop hears of it.
    await eventually(() => stateOf(b)).toEqual(["Live"]);
    expect(b.timeline.events.filter(({ event }) => event === "announcement")).toMatchObject([{ mac }]);
  });

  it("elevate by the API's word when the announcement was missed", async () => {
    const vm = await prepareMigration();
    succeed(vm);
    await eventually(() => metricsOf(b)).toEqual([512, 512]);
  });

  it("leave the source alone when the migration fails, before and after the announcement", async () => {
    const vm = await prepareMigration();
    await wakeUp();
    vm.handOff("move", ["virt-launcher-vm1-a", "node-a"], ["virt-launcher-vm1-b", "node-b"], {
      failed: true,
      endTimestamp: "2026-01-01T00:00:20Z",
    });
    vm.migration("move", "Failed");
    await eventually(() => b.routes()).toEqual([]);
    expect(metricsOf(a)).toEqual([1024, 1024]);
    expect((await b.del("virt-launcher-vm1-b")).exitCode).toBe(0);
    expect(metricsOf(a)).toEqual([1024, 1024]);
  });

  it("survive a restart in Live: the elevated routes never go away", async () => {
    const vm = await prepareMigration();
    await wakeUp();
    await eventually(() => stateOf(b)).toEqual(["Live"]);
    await b.restart();
    expect(stateOf(b)).toEqual(["Live"]);
    expect(metricsOf(b)).toEqual([512, 512]);
    expect(b.timeline.events.filter(({ event }) => event.startsWith("route-"))).toEqual([]);
    succeed(vm);
    await eventually(() => stateOf(b)).toEqual(["TimeWait"]);
    await b.restart();
    await a.del("virt-launcher-vm1-a");
    await eventually(() => {
      nodes.clock.advance(30_000);
      return metricsOf(b);
    }).toEqual([1024, 1024]);
  });

  it("survive a restart in Target: the announcement that comes later is heard", async () => {
    await prepareMigration();
    await b.restart();
    expect(b.routes()).toEqual([]);
    await wakeUp();
  });

  it("keep routes and hear announcements while the API server is down", async () => {
    await prepareMigration();
    nodes.cluster.setDown(true);
    await wakeUp();
    putPod(nodes.cluster, "late", "node-a");
    expect((await a.add("late")).body).toMatchObject({ code: 11 });
    expect(a.links()).toHaveLength(1);
    nodes.cluster.setDown(false);
  });

  it("refuse a pod that names a VMI as owner which does not know it", async () => {
    await prepareMigration();
    const owner = {
      apiVersion: "kubevirt.io/v1",
      kind: "VirtualMachineInstance",
      name: "vm1",
      uid: "vmi-vm1",
      controller: true,
    };
    putPod(nodes.cluster, "thief", "node-a", { ownerReferences: [owner] });
    const { body } = await a.add("thief");
    expect(body).toMatchObject({ code: 101 });
    expect(a.links()).toHaveLength(1);
    expect(both(1024)).toHaveLength(2);
  });
});
