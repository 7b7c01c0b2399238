/** An upgrade of the whole cluster, one node after the other, while every node is probed: it loses nothing. */
import { createApiClient, createClusterView, kinds, type Node } from "@fairlead/api";
import {
  computeFigures,
  inside,
  listMachines,
  migrateVm,
  now,
  planDatagrams,
  probeFromMachine,
  probeFromPod,
  replaceProcesses,
  requestMigration,
  startEchoPod,
  upgradeNode,
  waitForEnd,
  waitForPhase,
  waitUntilRunning,
} from "@fairlead/lab";
import { expect, it } from "vitest";
import { expectUnbroken, metrics, metricsOn, untilNormal } from "./expectations.ts";
import { setStage } from "./stage.ts";

/** Milliseconds: long enough for a kubelet to ask for the network's status while there is no agent. */
const away = 6000;
const machines = await listMachines();
const workers = machines.filter(({ role }) => role === "worker");
const outside = machines.find(({ role }) => role === "client")!;

const isReady = ({ status }: Node) =>
  status?.conditions?.some(({ type, status: value }) => type === "Ready" && value === "True") ?? false;

/** What a node was ever seen to suffer: not ready, or tainted so that pods must leave. */
async function watchNodes() {
  const client = createApiClient({ kubeconfig: inside.adminKubeconfig });
  const view = createClusterView({ client, kinds: [kinds.Node] });
  await view.synced();
  const complaints: string[] = [];
  view.subscribe(kinds.Node, ({ object }) => {
    const { name } = object.metadata;
    const taints = object.spec?.taints ?? [];
    if (!isReady(object)) complaints.push(`${name} is not ready`);
    for (const { key } of taints) complaints.push(`${name} has taint ${key}`);
  });
  return {
    complaints,
    async [Symbol.asyncDispose]() {
      await view.close();
      await client.close();
    },
  };
}

/** Datagrams from outside into every node, and from a pod of every node into the next one. */
async function probeEveryNode() {
  const resources = new AsyncDisposableStack();
  const client = createApiClient({ kubeconfig: inside.adminKubeconfig });
  resources.defer(() => client.close());
  const pods = await Promise.all(workers.map((worker) => startEchoPod(client, worker)));
  for (const pod of pods) resources.use(pod);
  const plans = (vantage: "client" | "pod", index: number) =>
    planDatagrams(vantage, pods[index % pods.length]!, 10);
  const runs = await Promise.all([
    probeFromMachine(
      outside,
      pods.flatMap((_, index) => plans("client", index)),
    ),
    ...workers.map((worker, index) => probeFromPod(client, worker, plans("pod", index + 1))),
  ]);
  for (const run of runs) resources.use(run);
  return {
    /** Ends the probes: how many datagrams each sent since then, and how many were never answered. */
    async end(from: number) {
      const recordings = (await Promise.all(runs.map((run) => run.stop()))).flat();
      return recordings.map((recording) => ({
        name: recording.plan.name,
        ...computeFigures(recording, { from, to: now() - 1000 }),
      }));
    },
    [Symbol.asyncDispose]: () => resources.disposeAsync(),
  };
}

it("an upgrade of all nodes loses no datagram into or out of any of them, and no node becomes unready", async () => {
  await using stage = await setStage("voyager");
  // Away from its block the VM has routes of its own in the router.
  const elsewhere = stage.workers.find((name) => name !== stage.vm.node)!;
  await migrateVm(stage.client, stage.vmName, elsewhere);
  await untilNormal(stage, elsewhere);
  await using probes = await probeEveryNode();
  await using nodes = await watchNodes();
  const from = now();
  await replaceProcesses(["fairlead-cluster"], 0);
  for (const worker of workers) await upgradeNode(worker, away);
  const figures = await probes.end(from);
  expect(figures).toHaveLength(12);
  for (const { name, sent, lost } of figures) {
    expect(sent, name).toBeGreaterThan(0);
    expect(lost, name).toBe(0);
  }
  const vm = await stage.endProbes(from);
  for (const { name, lost, resets, brokenConnections } of vm)
    expect({ lost, resets, brokenConnections }, name).toEqual({ lost: 0, resets: 0, brokenConnections: 0 });
  expect(nodes.complaints).toEqual([]);
  expect(await waitUntilRunning(stage.client, stage.vmName)).toEqual({ ...stage.vm, node: elsewhere });
});

it("a VM that moves while both its nodes are upgraded keeps address and connections, and loses no byte of them", async () => {
  await using stage = await setStage("emigrant");
  await using nodes = await watchNodes();
  const target = stage.workers.find((name) => name !== stage.vm.node)!;
  const from = now();
  const migration = await requestMigration(stage.client, stage.vmName, target, { bandwidth: 8_000_000 });
  await waitForPhase(stage.client, migration, "Running");
  for (const name of [target, stage.vm.node])
    await upgradeNode(workers.find((worker) => worker.name === name)!, 0);
  expect((await waitForEnd(stage.client, migration))?.status?.phase).toBe("Succeeded");
  await untilNormal(stage, target);
  expect(metricsOn(stage, target)).toEqual({ 4: [metrics.normal], 6: [metrics.normal] });
  expect(await waitUntilRunning(stage.client, stage.vmName)).toEqual({ ...stage.vm, node: target });
  await expectUnbroken(stage, from);
  expect(nodes.complaints).toEqual([]);
});
