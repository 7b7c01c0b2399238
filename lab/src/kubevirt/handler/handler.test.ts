/** Two virt-handlers before a real API server, with launchers that say what the test wants them to. No guest, no root. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import {
  type ApiClient,
  createApiClient,
  createClusterView,
  kinds,
  listAll,
  type MigrationState,
  type VirtualMachineInstance,
} from "@fairlead/api";
import { afterAll, afterEach, beforeAll, expect, test, vi } from "vitest";
import { type ApiServer, startApiServer } from "../../apiserver/index.ts";
import { Applier, readManifests } from "../../first/manifest.ts";
import type { Daemon } from "../daemon.ts";
import type { Faults } from "../faults.ts";
import {
  type LauncherMethods,
  type LauncherStatus,
  launcherDirectory,
  launcherSocket,
} from "../launcher-protocol.ts";
import { labels } from "../names.ts";
import { type RpcServer, serveRpc } from "../rpc.ts";
import { at, migrationFixture, podFixture, runningVmi } from "../vmi-fixture.ts";
import { handlerKinds, startVirtHandler } from "./handler.ts";

const root = mkdtempSync(join(tmpdir(), "handlers-"));
const domain = { name: "vm", uuid: "u", mac: "02:00:00:00:00:01", memoryMiB: 128, cpus: 1, mtu: 1500 };
const network = { mac: "02:00:00:00:00:aa", mtu: 1500, ipv4: ["10.244.0.5/32"], ipv6: [], routes: [] };
const interfaces = [
  {
    name: "default",
    mac: domain.mac,
    ipAddress: "10.244.0.5",
    ipAddresses: ["10.244.0.5"],
    podInterfaceName: "eth0",
    infoSource: "domain",
    queueCount: 1,
    linkState: "up",
  },
];

let server: ApiServer;
let client: ApiClient;
const ends: (() => unknown)[] = [];

beforeAll(async () => {
  server = await startApiServer();
  client = createApiClient({ kubeconfig: server.adminKubeconfig });
  const applier = new Applier(client);
  for (const object of readManifests([join(import.meta.dirname, "../../../manifests/kubevirt")]))
    await applier.apply(object);
});
afterAll(async () => {
  await client.close();
  await server.close();
  rmSync(root, { recursive: true });
});
afterEach(async () => {
  for (const end of ends.splice(0).toReversed()) await end();
});

/** A launcher that does nothing, notes what it is asked for and says what it is told to. */
class FakeLauncher {
  readonly asked: string[] = [];
  #status: LauncherStatus = { state: "none" };
  #server: RpcServer<LauncherStatus> | undefined;

  async serve(directory: string): Promise<void> {
    mkdirSync(directory, { recursive: true });
    writeFileSync(join(directory, "vif-cache-eth0.json"), JSON.stringify(network));
    const note = async (what: string): Promise<void> => void this.asked.push(what);
    const methods: LauncherMethods = {
      start: () => note("start").then(() => this.#status),
      prepareTarget: () => note("prepareTarget").then(() => ({ control: "", memory: "" })),
      migrate: async ({ uid }) => {
        await note("migrate");
        this.#status = { state: "running", domain, migration: { uid, role: "source", startTimestamp: at } };
        return this.#status;
      },
      abort: () => note("abort"),
      shutdown: () => note("shutdown"),
      exit: () => note("exit"),
    };
    this.#server = await serveRpc<LauncherMethods, LauncherStatus>(
      launcherSocket(directory),
      methods,
      () => this.#status,
    );
    ends.push(() => this.#server![Symbol.asyncDispose]());
  }

  become(status: LauncherStatus): void {
    this.#status = status;
    this.#server!.publish(status);
  }
}

interface Stage {
  readonly source: FakeLauncher;
  readonly target: FakeLauncher;
  readonly handlers: Readonly<Record<"node-a" | "node-b", Daemon>>;
  /** The guest has moved. */
  arrive(): void;
  vmi(): Promise<VirtualMachineInstance>;
  events(reason: string): Promise<string[]>;
}

/** A VMI that is being moved from node-a to node-b; the source's launcher was told to. */
async function setStage(faults: Faults): Promise<Stage> {
  const stage = stages++;
  const uid = `migration-${stage}`;
  const vm = { namespace: "default", name: `vm-${stage}` };
  const given = runningVmi("node-a", { interfaces });
  const { metadata, spec, status } = given;
  const migrationState: MigrationState = {
    migrationUid: uid,
    sourceNode: "node-a",
    sourcePod: `source-${stage}`,
    targetNode: "node-b",
    targetPod: `target-${stage}`,
    migrationConfiguration: { faults: { startReportMs: 0, ackMs: 0, ...faults } },
  };
  const vmi = await client.create(kinds.VirtualMachineInstance, {
    metadata: { ...vm, labels: { ...metadata.labels, [labels.migrationTargetNode]: "node-b" } },
    spec,
    status: { ...status, migrationState },
  });
  const launchers = { source: new FakeLauncher(), target: new FakeLauncher() };
  for (const [role, node] of [
    ["source", "node-a"],
    ["target", "node-b"],
  ] as const) {
    const migration = role === "target" ? { migration: migrationFixture("Running", { uid }) } : {};
    const parts = { name: `${role}-${stage}`, node, ...migration };
    const { metadata: meta, spec: podSpec } = podFixture(vmi, parts);
    const { uid: _, resourceVersion: __, creationTimestamp: ___, ...draft } = meta;
    const pod = await client.create(kinds.Pod, { metadata: draft, spec: podSpec });
    await launchers[role].serve(launcherDirectory(join(root, node), pod.metadata.uid!));
  }
  launchers.source.become({ state: "running", domain });
  const handlerOf = (node: string, address: string): Daemon => {
    const view = createClusterView({ client, kinds: handlerKinds });
    ends.push(() => view.close());
    const log = (message: string) => void process.stderr.write(`${message}\n`);
    const directories = { root: join(root, node), kubelet: join(root, "pods") };
    const handler = startVirtHandler({ client, view, node, address, ...directories, log });
    ends.push(() => handler.stop());
    return handler;
  };
  const handlers = { "node-a": handlerOf("node-a", "127.0.0.2"), "node-b": handlerOf("node-b", "127.0.0.3") };
  await vi.waitFor(() => expect(launchers.source.asked).toContain("migrate"), { timeout: 20_000 });
  const record = { uid, startTimestamp: at, endTimestamp: at };
  return {
    ...launchers,
    handlers,
    arrive: () => {
      launchers.target.become({
        state: "running",
        domain,
        migration: { ...record, role: "target", readyTimestamp: at },
      });
      launchers.source.become({ state: "migrated", domain, migration: { ...record, role: "source" } });
    },
    vmi: () => client.get(kinds.VirtualMachineInstance, vm),
    events: async (reason) =>
      (await listAll(client, kinds.Event)).items
        .filter((event) => event.reason === reason && event.involvedObject.uid === vmi.metadata.uid)
        .map(({ message }) => message ?? ""),
  };
}
let stages = 0;

const eventually = (holds: () => Promise<void>) => vi.waitFor(holds, { timeout: 20_000 });

test("real-cluster 1: the source deletes the domain as soon as the guest has left, and waits for no acknowledgement", async () => {
  const stage = await setStage({ delayAckMs: 3_600_000, forgetsMac: false });
  stage.arrive();
  await eventually(async () => expect(stage.source.asked).toContain("exit"));
  expect(await stage.events("Deleted")).toEqual(["Signaled Deletion"]);
  const { status } = await stage.vmi();
  expect(status).toMatchObject({ phase: "Running", nodeName: "node-a" });
  expect(status?.migrationState?.endTimestamp).toBeUndefined();
});

test.each([
  [false, { mac: domain.mac, infoSource: "domain", queueCount: 1, linkState: "up" }],
  [true, {}],
])(
  "real-cluster 3: it rewrites the interface then, once, without address; without MAC: %s",
  async (forgetsMac, kept) => {
    const stage = await setStage({ delayAckMs: 3_600_000, forgetsMac });
    stage.arrive();
    await eventually(async () =>
      expect((await stage.vmi()).status?.interfaces).toEqual([
        { name: "default", podInterfaceName: "eth0", ...kept },
      ]),
    );
  },
);

test("real-cluster 2, 3, 7: the acknowledgement, then its events, then what the target knows of the interface", async () => {
  const stage = await setStage({ migratedEvents: 5 });
  stage.arrive();
  await eventually(async () => {
    const { status, metadata } = await stage.vmi();
    expect(metadata.labels).toMatchObject({ [labels.nodeName]: "node-b" });
    expect(status).toMatchObject({ nodeName: "node-b", migrationState: { completed: true }, interfaces });
  });
  await eventually(async () => expect(await stage.events("Migrated")).toHaveLength(5));
});

test("real-cluster 2: a start whose time has not come is carried along by the source's next write", async () => {
  const stage = await setStage({ startReportMs: 3_600_000, delayAckMs: 3_600_000 });
  expect((await stage.vmi()).status?.migrationState?.startTimestamp).toBeUndefined();
  stage.arrive();
  await eventually(async () => {
    const { status } = await stage.vmi();
    expect(status?.interfaces?.[0]?.ipAddress).toBeUndefined();
    expect(status?.migrationState).toMatchObject({ startTimestamp: at, mode: "PreCopy" });
  });
});

test("a virt-handler that stands still writes nothing, and the other goes on; afterwards it catches up", async () => {
  const stage = await setStage({});
  const pause = stage.handlers["node-b"].pause();
  stage.arrive();
  await eventually(async () => expect(stage.source.asked).toContain("exit"));
  expect((await stage.vmi()).status?.nodeName).toBe("node-a");
  pause[Symbol.dispose]();
  await eventually(async () => expect((await stage.vmi()).status?.nodeName).toBe("node-b"));
});
