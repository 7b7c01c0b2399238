import { execFileSync } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import {
  type ApiClient,
  createApiClient,
  createClusterView,
  getIfPresent,
  kinds,
  listAll,
  type Pod,
  type VirtualMachineInstance,
  type VirtualMachineInstanceMigration,
} from "@fairlead/api";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type ApiServer, startApiServer } from "../apiserver/index.ts";
import { Applier, readManifests } from "../first/manifest.ts";
import { consoleSocket, prepareGuest } from "../qemu/index.ts";
import { createVirtApi, virtApiAccount } from "./api/virt-api.ts";
import { controllerKinds, startVirtController } from "./controller/controller.ts";
import { currentPod } from "./controller/vmi.ts";
import { type Faults, faultsAnnotation } from "./faults.ts";
import { handlerKinds, startVirtHandler } from "./handler/handler.ts";
import type { JournalEntry } from "./journal.ts";
import { launcherDirectory } from "./launcher-protocol.ts";
import { annotations } from "./names.ts";
import { guestAddresses, makePodSwitch, type PodSwitch } from "./pod-switch.ts";
import { TinyKubelet } from "./tiny-kubelet.ts";

const directory = mkdtempSync(join(tmpdir(), "stand-in-"));
const rootOf = (node: string) => join(directory, node);
/** Two nodes on one machine: each its own loopback address. */
const nodes: Readonly<Record<string, string>> = { "node-a": "127.0.0.2", "node-b": "127.0.0.3" };
const vm = { namespace: "default", name: "vm" };

let server: ApiServer;
let client: ApiClient;
let network: PodSwitch;
let kubelet: TinyKubelet;
const stops: (() => Promise<unknown>)[] = [];

beforeAll(async () => {
  await prepareGuest();
  network = makePodSwitch();
  server = await startApiServer({ extensions: [createVirtApi(connectVirtApi)] });
  client = createApiClient({ kubeconfig: server.adminKubeconfig });
  const applier = new Applier(client);
  for (const object of readManifests([join(import.meta.dirname, "../../manifests/kubevirt")]))
    await applier.apply(object);
  const log = (message: string) => void process.stderr.write(`${message}\n`);
  const pods = join(directory, "pods");
  await withAccount("kubevirt-controller", async (own) => {
    const view = createClusterView({ client: own, kinds: controllerKinds });
    const controller = startVirtController({ client: own, view, log });
    return () => controller.stop().then(() => view.close());
  });
  for (const [node, address] of Object.entries(nodes)) {
    await client.create(kinds.Node, { metadata: { name: node } });
    mkdirSync(rootOf(node));
    await withAccount("kubevirt-handler", async (own) => {
      const view = createClusterView({ client: own, kinds: handlerKinds });
      const handler = startVirtHandler({
        client: own,
        view,
        node,
        address,
        root: rootOf(node),
        kubelet: pods,
        log,
      });
      return () => handler.stop().then(() => view.close());
    });
  }
  kubelet = new TinyKubelet({ client, nodes: Object.keys(nodes), network, rootOf, pods });
  stops.push(() => kubelet.stop());
});

afterAll(async () => {
  for (const stop of stops.reverse()) await stop();
  await client.close();
  await server.close();
  network[Symbol.dispose]();
  rmSync(directory, { recursive: true });
});

async function connectVirtApi(): Promise<ApiClient> {
  const own = createApiClient({ kubeconfig: await server.kubeconfigFor(virtApiAccount) });
  stops.push(() => own.close());
  return own;
}

let bootId: string;

test("a VM becomes a VMI, a launcher pod and a guest that answers", async () => {
  await client.create(kinds.VirtualMachine, {
    metadata: vm,
    spec: {
      runStrategy: "Always",
      template: {
        metadata: { annotations: { "kubevirt.io/allow-pod-bridge-network-live-migration": "" } },
        spec: { terminationGracePeriodSeconds: 5, evictionStrategy: "LiveMigrate" },
      },
    },
  });
  const vmi = await untilVmi("the VMI to run", ({ status }) => status?.phase === "Running");
  expect(vmi.status).toMatchObject({ nodeName: "node-a", interfaces: [{ ipAddress: guestAddresses.ipv4 }] });
  expect(vmi.status?.phaseTransitionTimestamps?.map(({ phase }) => phase)).toEqual([
    "Pending",
    "Scheduling",
    "Scheduled",
    "Running",
  ]);
  bootId = await untilGuestAnswers();
});

test("a migration moves the guest, and each object tells it in KubeVirt's order", async () => {
  const changes = watchVmi();
  const migration = await migrate();
  expect((await untilEnd(migration)).status?.phase).toBe("Succeeded");
  const vmi = await untilVmi(
    "the label to go",
    ({ metadata }) => metadata.labels?.["kubevirt.io/migrationTargetNodeName"] === undefined,
  );
  expect(vmi.metadata.labels).toMatchObject({ "kubevirt.io/nodeName": "node-b" });
  expect(vmi.status).toMatchObject({
    phase: "Running",
    nodeName: "node-b",
    migrationState: {
      migrationUid: migration.metadata.uid,
      completed: true,
      sourceNode: "node-a",
      targetNode: "node-b",
    },
  });
  expect(vmi.status?.migrationState?.failed).toBeUndefined();
  expect(await changes.stop()).toEqual([
    "migrationUid",
    "targetNodeAddress",
    "startTimestamp",
    "targetNodeDomainDetected",
    "targetNodeDomainReadyTimestamp",
    "endTimestamp nodeName",
    "completed",
  ]);
  await until("the source pod to finish", async () => (await podOn("node-a")).status?.phase === "Succeeded");
  expect((await podOn("node-b")).metadata).toMatchObject({
    labels: { "kubevirt.io/migrationJobUID": migration.metadata.uid },
    annotations: { "kubevirt.io/migrationJobName": migration.metadata.name },
  });
  expect(await untilGuestAnswers()).toBe(bootId);
});

const failures: [what: string, faults: Faults][] = [
  ["aborted while the guest is stopped", { abortAfterStop: true }],
  ["whose target QEMU dies during the copy", { killTargetDuringCopy: true, bandwidth: 4 << 20 }],
];

test.each(failures)("a migration %s fails, and the guest stays where it was", async (_what, faults) => {
  const migration = await migrate(faults);
  expect((await untilEnd(migration)).status?.phase).toBe("Failed");
  const vmi = await client.get(kinds.VirtualMachineInstance, vm);
  expect(vmi.status).toMatchObject({
    phase: "Running",
    nodeName: "node-b",
    migrationState: { failed: true },
  });
  expect(await untilGuestAnswers()).toBe(bootId);
  await until("the target's pod to end", async () => (await livingPods()).length === 1);
});

test("a migration cancelled during the copy is aborted, and its object goes", async () => {
  const migration = await migrate({ bandwidth: 1 << 20 });
  const ref = { namespace: "default", name: migration.metadata.name };
  await until("the copy to run", async () => {
    const { status } = await client.get(kinds.VirtualMachineInstanceMigration, ref);
    return status?.phase === "Running";
  });
  await client.delete(kinds.VirtualMachineInstanceMigration, ref);
  await until("the migration's object to go", async () => (await find(migration)) === undefined);
  const { status } = await client.get(kinds.VirtualMachineInstance, vm);
  expect(status).toMatchObject({
    nodeName: "node-b",
    migrationState: { abortRequested: true, abortStatus: "Succeeded", failed: true },
  });
  expect(await untilGuestAnswers()).toBe(bootId);
  await until("the target's pod to end", async () => (await livingPods()).length === 1);
});

/** Changes what the KubeVirt object says of migrations, until disposed. */
async function configureMigrations(migrations: Readonly<Record<string, unknown>>): Promise<AsyncDisposable> {
  const write = (value: unknown) =>
    client.patch(
      kinds.KubeVirt,
      { namespace: "kubevirt", name: "kubevirt" },
      { spec: { configuration: { migrations: value } } },
      { type: "merge" },
    );
  await write(migrations);
  return { [Symbol.asyncDispose]: () => write(null).then(() => {}) };
}

test("a copy that takes longer than the KubeVirt object allows is aborted", async () => {
  await using _ = await configureMigrations({ completionTimeoutPerGiB: 2 });
  const migration = await migrate({ bandwidth: 1 << 20 });
  expect((await untilEnd(migration)).status?.phase).toBe("Failed");
  const { status } = await client.get(kinds.VirtualMachineInstance, vm);
  expect(status).toMatchObject({
    nodeName: "node-b",
    migrationState: {
      failed: true,
      abortStatus: "Succeeded",
      failureReason: "Live migration has been aborted",
      migrationConfiguration: { completionTimeoutPerGiB: 2, progressTimeout: 150, allowPostCopy: false },
    },
  });
  expect(journal("node-b").at(-2)).toMatchObject({
    event: "migration-aborted",
    reason: expect.stringMatching(/not completed after 2 seconds/),
  });
  expect(await untilGuestAnswers()).toBe(bootId);
  await until("the target's pod to end", async () => (await livingPods()).length === 1);
});

test("an eviction is refused, and moves the guest back to the node it came from", async () => {
  const { name } = (await podOn("node-b")).metadata;
  const evict = () =>
    client.raw({
      method: "POST",
      path: `/api/v1/namespaces/default/pods/${name}/eviction`,
      body: { apiVersion: "policy/v1", kind: "Eviction", metadata: { name, namespace: "default" } },
    });
  await expect(evict()).rejects.toMatchObject({ code: "TooManyRequests" });
  const vmi = await untilVmi("the guest back on its node", ({ status }) => status?.nodeName === "node-a");
  expect(vmi.status).toMatchObject({ phase: "Running", evacuationNodeName: "" });
  const [migration] = (await listAll(client, kinds.VirtualMachineInstanceMigration)).items.filter(
    ({ metadata }) => metadata.annotations?.["kubevirt.io/evacuationMigration"] === "node-b",
  );
  expect(migration!.metadata.name).toMatch(/^kubevirt-evacuation-/);
  expect((await untilEnd(migration!)).status?.phase).toBe("Succeeded");
  expect(await untilGuestAnswers()).toBe(bootId);
  expect(await askForLease()).toMatch(new RegExp(`lease of ${guestAddresses.ipv4} obtained`));
  await until("the pod to end", async () => (await podOn("node-b")).status?.phase === "Succeeded");
  await expect(evict()).resolves.toBeDefined();
});

test("a long pause, a late acknowledgement and a DHCP server that forgets the guest, as asked for", async () => {
  const faults = { stretchPauseMs: 300, delayAckMs: 1_000, dhcpForgetsGuestMac: true };
  const migration = await migrate(faults);
  await untilVmi("the guest to run there", ({ status }) =>
    Boolean(status?.migrationState?.targetNodeDomainReadyTimestamp),
  );
  await untilVmi("the acknowledgement", ({ status }) => status?.nodeName === "node-b");
  const acknowledgedAt = process.hrtime.bigint();
  const mark = (node: string, event: JournalEntry["event"]) =>
    BigInt(
      journal(node).findLast((one) => one.event === event && one.migration === migration.metadata.uid)!.at,
    );
  const resumedAt = mark("node-b", "resumed");
  expect(Number(resumedAt - mark("node-a", "stopped")) / 1e6).toBeGreaterThanOrEqual(faults.stretchPauseMs);
  expect(Number(acknowledgedAt - resumedAt) / 1e6).toBeGreaterThanOrEqual(faults.delayAckMs);
  expect((await untilEnd(migration)).status?.phase).toBe("Succeeded");
  expect(await untilGuestAnswers()).toBe(bootId);
  expect(await askForLease()).toMatch(/no lease/);
});

const postCopy = { allowPostCopy: true, completionTimeoutPerGiB: 1 };
const slowly: Faults = { bandwidth: 1 << 20, postCopyBandwidth: 4 << 20 };

test("a copy that takes too long becomes a post-copy where that is allowed, and cannot be aborted any more", async () => {
  await using _ = await configureMigrations(postCopy);
  const changes = watchVmi();
  const migration = await migrate(slowly);
  const ref = { namespace: "default", name: migration.metadata.name };
  const vmi = await untilVmi("the guest to run there", ({ status }) =>
    Boolean(
      status?.migrationState?.migrationUid === migration.metadata.uid &&
        status?.migrationState?.targetNodeDomainReadyTimestamp,
    ),
  );
  expect(vmi.status).toMatchObject({ phase: "Running", nodeName: "node-b" });
  await until("the annotation for the network", async () =>
    Boolean((await livingPods()).find(({ metadata }) => metadata.annotations?.[annotations.targetReady])),
  );
  await client.delete(kinds.VirtualMachineInstanceMigration, ref);
  expect(await untilGuestAnswers()).toBe(bootId);
  const moved = await untilVmi("its memory to be there", ({ status }) =>
    Boolean(status?.migrationState?.completed),
  );
  expect(moved.status).toMatchObject({
    nodeName: "node-a",
    migrationState: { mode: "PostCopy", abortRequested: true },
  });
  expect(moved.status?.migrationState?.failed).toBeUndefined();
  await until("the migration's object to go", async () => (await find(migration)) === undefined);
  const steps = await changes.stop();
  // Source and target write each when it sees the switch.
  expect(steps.slice(4, 6).toSorted()).toEqual(["postCopy", "targetNodeDomainReadyTimestamp"]);
  expect(steps.slice(6)).toEqual(["endTimestamp nodeName", "completed"]);
  await until("the source pod to finish", async () => (await livingPods()).length === 1);
});

test("a post-copy that breaks after its switch fails the VMI, and the VM starts another", async () => {
  await using _ = await configureMigrations(postCopy);
  const before = await client.get(kinds.VirtualMachineInstance, vm);
  const changes = watchVmi();
  const migration = await migrate({ ...slowly, breakAfterSwitchMs: 0 });
  expect((await untilEnd(migration)).status?.phase).toBe("Failed");
  await untilVmi(
    "the next VMI to run",
    ({ metadata, status }) => metadata.uid !== before.metadata.uid && status?.phase === "Running",
  );
  expect(await changes.stop()).toContain("endTimestamp completed failed phaseFailed");
  // Another pod's MAC behind the same address: what is still known of the old one would only cost time.
  execFileSync("nsenter", [`--net=${network.outside}`, "--", "ip", "neighbour", "flush", "all"]);
  const again = await untilGuestAnswers();
  expect(again).not.toBe(bootId);
  bootId = again;
  expect(await livingPods()).toHaveLength(1);
});

test("an acknowledgement that is lost leaves the VMI where it was, though the guest has moved", async () => {
  const migration = await migrate({ loseAck: true });
  const vmi = await untilVmi("the guest to run there", ({ status }) =>
    Boolean(
      status?.migrationState?.migrationUid === migration.metadata.uid &&
        status?.migrationState?.targetNodeDomainReadyTimestamp,
    ),
  );
  expect(vmi.status).toMatchObject({ nodeName: "node-a", migrationState: { targetNode: "node-b" } });
  expect(await untilGuestAnswers()).toBe(bootId);
  await until("the source's launcher to have nothing left", async () =>
    journal("node-a").some(
      ({ event, migration: uid }) => event === "migration-completed" && uid === migration.metadata.uid,
    ),
  );
  const { status } = await client.get(kinds.VirtualMachineInstance, vm);
  expect(status?.nodeName).toBe("node-a");
  expect(status?.migrationState?.endTimestamp).toBeUndefined();
});

test("stopped by the API, the guest powers off, and nothing of VMI and pods is left", async () => {
  const path = "/apis/subresources.kubevirt.io/v1/namespaces/default/virtualmachines/vm/stop";
  expect(await client.raw({ method: "PUT", path, body: {} })).toMatchObject({ status: 202 });
  await until("the VM to be stopped", async () => {
    const { status } = await client.get(kinds.VirtualMachine, vm);
    return status?.printableStatus === "Stopped";
  });
  expect((await listAll(client, kinds.VirtualMachineInstance)).items).toEqual([]);
  expect((await listAll(client, kinds.Pod)).items).toEqual([]);
});

const journal = (node: string): JournalEntry[] =>
  readFileSync(join(rootOf(node), "events.jsonl"), "utf8")
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line));

/** Has the guest ask for a lease once more, and returns what its DHCP client says. */
async function askForLease(): Promise<string> {
  // The source's launcher lives on for a while after a migration.
  const [vmi] = (await listAll(client, kinds.VirtualMachineInstance)).items;
  const pod = currentPod(vmi!, await launcherPods());
  const directory = launcherDirectory(rootOf(pod!.spec.nodeName!), pod!.metadata.uid!);
  const socket = connect(consoleSocket(directory));
  let screen = "";
  socket.on("data", (text) => {
    screen += text;
  });
  await once(socket, "connect");
  socket.write("\nudhcpc -i eth0 -n -q -t 3 -T 1 -s /bin/true; echo over-$((20 + 3))\n");
  await until("the DHCP client to end", async () => screen.includes("over-23"));
  socket.destroy();
  return screen;
}

async function withAccount(
  name: string,
  start: (client: ApiClient) => Promise<() => Promise<unknown>>,
): Promise<void> {
  const kubeconfig = await server.kubeconfigFor({ serviceAccount: name, namespace: "kubevirt" });
  const own = createApiClient({ kubeconfig });
  const stop = await start(own);
  stops.push(() => stop().then(() => own.close()));
}

function migrate(faults: Faults = {}): Promise<VirtualMachineInstanceMigration> {
  return client.create(kinds.VirtualMachineInstanceMigration, {
    metadata: {
      generateName: "vm-",
      namespace: "default",
      annotations: { [faultsAnnotation]: JSON.stringify(faults) },
    },
    spec: { vmiName: "vm" },
  });
}

function find({ metadata: { name } }: VirtualMachineInstanceMigration) {
  return getIfPresent(client, kinds.VirtualMachineInstanceMigration, { namespace: "default", name });
}

async function untilEnd(
  migration: VirtualMachineInstanceMigration,
): Promise<VirtualMachineInstanceMigration> {
  let latest: VirtualMachineInstanceMigration | undefined;
  await until("the migration to end", async () => {
    latest = await find(migration);
    return latest?.status?.phase === "Succeeded" || latest?.status?.phase === "Failed";
  });
  return latest!;
}

async function untilVmi(
  what: string,
  holds: (vmi: VirtualMachineInstance) => boolean,
): Promise<VirtualMachineInstance> {
  let latest: VirtualMachineInstance | undefined;
  await until(what, async () => {
    latest = (await listAll(client, kinds.VirtualMachineInstance)).items[0];
    return latest !== undefined && holds(latest);
  });
  return latest!;
}

const launcherPods = async (): Promise<Pod[]> => (await listAll(client, kinds.Pod)).items;
const livingPods = async () => (await launcherPods()).filter(({ status }) => status?.phase === "Running");
const podOn = async (node: string) => (await launcherPods()).find(({ spec }) => spec.nodeName === node)!;

/** Notes which fields of the hand-over became set together, write by write. */
function watchVmi(): { stop(): Promise<string[]> } {
  const read = ({
    phase,
    nodeName,
    migrationState: state,
  }: NonNullable<VirtualMachineInstance["status"]>) => ({
    migrationUid: state?.migrationUid,
    targetNodeAddress: state?.targetNodeAddress,
    startTimestamp: state?.startTimestamp,
    targetNodeDomainDetected: state?.targetNodeDomainDetected,
    postCopy: state?.mode === "PostCopy",
    targetNodeDomainReadyTimestamp: state?.targetNodeDomainReadyTimestamp,
    endTimestamp: state?.endTimestamp,
    completed: state?.completed,
    failed: state?.failed,
    nodeName,
    phaseFailed: phase === "Failed",
  });
  const steps: string[] = [];
  const over = new AbortController();
  let before: ReturnType<typeof read> | undefined;
  const watching = (async () => {
    for await (const event of client.watch(kinds.VirtualMachineInstance, {
      namespace: "default",
      signal: over.signal,
    })) {
      if (event.type === "BOOKMARK") continue;
      const now = read(event.object.status ?? {});
      const fields = Object.keys(now) as (keyof typeof now)[];
      const changed = before ? fields.filter((field) => now[field] && now[field] !== before?.[field]) : [];
      before = now;
      if (changed.length > 0) steps.push(changed.join(" "));
    }
  })();
  return {
    stop: async () => {
      over.abort();
      await watching.catch(() => {});
      return steps;
    },
  };
}

async function untilGuestAnswers(): Promise<string> {
  let answer = "";
  for (const host of [guestAddresses.ipv4, `[${guestAddresses.ipv6}]`]) {
    await until(`the guest to answer on ${host}`, async () => {
      const wget = ["busybox", "timeout", "1", "busybox", "wget", "-qO-", `http://${host}/status`];
      try {
        const argv = [`--net=${network.outside}`, "--", ...wget];
        answer = JSON.parse(
          execFileSync("nsenter", argv, { encoding: "utf8", stdio: ["ignore", "pipe", "ignore"] }),
        ).bootId;
        return true;
      } catch {
        return false;
      }
    });
  }
  return answer;
}

async function until(what: string, holds: () => Promise<boolean>): Promise<void> {
  const deadline = Date.now() + 40_000;
  while (!(await holds())) {
    if (Date.now() > deadline) throw new Error(`waited 40 s for ${what}`);
    await delay(20);
  }
}
