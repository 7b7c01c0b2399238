import { createClusterView, kinds } from "@fairlead/api";
import { FakeCluster } from "@fairlead/api/fake";
import { type Attachment, hostInterfaceName } from "@fairlead/cni";
import { createFakeAttachments } from "@fairlead/cni/fake";
import type { AssignedAddress } from "@fairlead/ipam";
import type { Workload } from "@fairlead/routes";
import { afterEach, beforeEach, expect, it } from "vitest";
import { createFakeClock } from "./clock.ts";
import { createFakeMigrationMemory } from "./migration-files.ts";
import type { FoundInterface } from "./rebuild.ts";
import { createRecovery } from "./recovery.ts";
import { putPod } from "./virtual-machine.fixture.ts";

const web = { namespace: "default", name: "web", uid: "uid-web" };
const found: FoundInterface = {
  name: hostInterfaceName(web),
  index: 7,
  peer: { name: "eth0", mac: "02:00:00:00:00:01" },
  routed: ["10.0.0.1"],
};
const record: AssignedAddress = {
  address: "10.0.0.1",
  handle: "k8s-pod-network.c1",
  network: "k8s-pod-network",
  containerId: "c1",
  pod: web,
  side: "active",
};

let open: AsyncDisposableStack;
beforeEach(() => {
  open = new AsyncDisposableStack();
});
afterEach(() => open.disposeAsync());

async function start() {
  const cluster = new FakeCluster();
  putPod(cluster, "web", "node-1");
  const view = open.use(
    createClusterView({
      client: cluster.client(),
      kinds: [kinds.Pod, kinds.VirtualMachineInstance, kinds.VirtualMachineInstanceMigration],
    }),
  );
  await view.synced();
  const world = {
    interfaces: [found],
    busy: false,
    reads: 0,
    assigned: async (_?: AbortSignal): Promise<readonly AssignedAddress[]> => [record],
  };
  const attachments = createFakeAttachments();
  const clock = createFakeClock();
  const errors: unknown[] = [];
  const late: Attachment[] = [];
  const kept: (readonly string[])[] = [];
  const routes = new Map<string, Workload>();
  const settled = { settled: true, waiting: false, errors: [] };
  const recovery = open.use(
    createRecovery({
      nodeName: "node-1",
      evidence: {
        interfaces: () => world.interfaces,
        statuses: () => [],
        assigned(signal) {
          world.reads++;
          return world.assigned(signal);
        },
      },
      view,
      attachments,
      memory: createFakeMigrationMemory(),
      policy: { keep: (names) => void kept.push(names) },
      routes: {
        installed: () => [
          { destination: "10.0.0.1/32", interfaceName: found.name, metric: 509, state: "elevated", rank: 3 },
        ],
        set(key, workload) {
          routes.set(key, workload);
          return settled;
        },
        remove(key) {
          routes.delete(key);
          return settled;
        },
      },
      cni: { isBusy: () => world.busy },
      clock,
      log: { info() {}, warn() {}, error() {} },
      onLate: (attachment) => late.push(attachment),
      onError: (error) => errors.push(error),
    }),
  );
  return { world, attachments, clock, errors, late, kept, routes, recovery };
}

it("blocks are read only when an interface is not noted", async () => {
  const { world, recovery, attachments } = await start();
  expect(await recovery.recover()).toMatchObject([{ containerId: "c1", pod: web }]);
  expect(await recovery.recover()).toEqual([]);
  expect([world.reads, attachments.list().length, recovery.present(attachments.list()).length]).toEqual([
    1, 1, 1,
  ]);
});

it("blocks that cannot be read keep no agent from starting: all stays as it is, and they are read again", async () => {
  const { world, recovery, errors, clock, kept, routes, late } = await start();
  const refused = new Error("down");
  world.assigned = async () => {
    if (world.reads < 3) throw refused;
    return [record];
  };
  expect(await recovery.recover()).toEqual([]);
  expect([kept, [...routes.keys()], errors]).toEqual([[[found.name]], [found.name], [refused]]);
  await expect
    .poll(() => {
      clock.advance(10_000);
      return late;
    })
    .toMatchObject([{ containerId: "c1" }]);
  expect([world.reads, kept.at(-1), errors]).toEqual([3, [], [refused, refused]]);
});

it("what is gone when the blocks have been read is not rebuilt", async () => {
  const { world, recovery, attachments } = await start();
  world.assigned = async () => {
    world.interfaces = [];
    return [record];
  };
  expect([await recovery.recover(), attachments.list()]).toEqual([[], []]);
});

it("what a call of the runtime is about is left to the call", async () => {
  const { world, recovery, attachments } = await start();
  world.busy = true;
  expect([await recovery.recover(), attachments.list()]).toEqual([[], []]);
});

it("an unexplained interface keeps its routes with their very metric, and its rules, until it is gone", async () => {
  const { world, recovery, routes, kept, clock } = await start();
  world.assigned = async () => [{ ...record, pod: { namespace: "team", name: "db" } }];
  expect(await recovery.recover()).toEqual([]);
  const workload = { interfaceName: found.name, addresses: ["10.0.0.1"], state: "elevated", rank: 3 };
  expect([[...routes], kept]).toEqual([[[found.name, workload]], [[found.name]]]);
  world.interfaces = [];
  clock.advance(30_000);
  await expect.poll(() => kept.at(-1)).toEqual([]);
  expect([...routes]).toEqual([]);
});

it("an end while blocks are read ends the reading", async () => {
  const { world, recovery, errors } = await start();
  world.assigned = (signal) =>
    new Promise((_, reject) => signal?.addEventListener("abort", () => reject(signal.reason)));
  const recovering = recovery.recover();
  recovery[Symbol.dispose]();
  await expect(recovering).rejects.toMatchObject({ name: "AbortError" });
  expect(errors).toEqual([]);
});
