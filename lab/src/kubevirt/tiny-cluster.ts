import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import {
  type ApiClient,
  createApiClient,
  createClusterView,
  type Event,
  getIfPresent,
  kinds,
  listAll,
  type Pod,
  type VirtualMachineInstance,
  type VirtualMachineInstanceMigration,
} from "@fairlead/api";
import { type ApiServer, startApiServer } from "../apiserver/index.ts";
import { Applier, readManifests } from "../first/manifest.ts";
import { prepareGuest } from "../qemu/index.ts";
import { createVirtApi, virtApiAccount } from "./api/virt-api.ts";
import { controllerKinds, startVirtController } from "./controller/controller.ts";
import { currentPod } from "./controller/vmi.ts";
import type { Daemon } from "./daemon.ts";
import { type Faults, faultsAnnotation } from "./faults.ts";
import { handlerKinds, startVirtHandler } from "./handler/handler.ts";
import type { JournalEntry } from "./journal.ts";
import { guestAddresses, makePodSwitch } from "./pod-switch.ts";
import { isFinal } from "./status.ts";
import { TinyKubelet } from "./tiny-kubelet.ts";

const vm = { namespace: "default", name: "vm" };

/** Two nodes on one machine: each its own loopback address. */
const nodes: Readonly<Record<string, string>> = { "node-a": "127.0.0.2", "node-b": "127.0.0.3" };

/** KubeVirt without its waits, for tests that are about something else. What is given with a migration comes first. */
const promptly: Faults = {
  activePodsMs: 0,
  startReportMs: 0,
  ackMs: 0,
  podReadyMs: 0,
  notReadyMs: 0,
  sourceEndMs: 500,
};

/** An API server, the whole stand-in on two nodes, and a VM `default/vm` whose guests are real. For tests. */
export class TinyCluster {
  readonly vm = vm;
  readonly client: ApiClient;
  readonly controller: Daemon;
  readonly handlers: ReadonlyMap<string, Daemon>;
  /** Path of the network namespace where the guest's clients run. */
  readonly outside: string;
  readonly #root: string;
  readonly #stops: readonly (() => unknown)[];

  private constructor(parts: {
    client: ApiClient;
    controller: Daemon;
    handlers: ReadonlyMap<string, Daemon>;
    outside: string;
    root: string;
    stops: readonly (() => unknown)[];
  }) {
    this.client = parts.client;
    this.controller = parts.controller;
    this.handlers = parts.handlers;
    this.outside = parts.outside;
    this.#root = parts.root;
    this.#stops = parts.stops;
  }

  static async start(): Promise<TinyCluster> {
    await prepareGuest();
    const stops: (() => unknown)[] = [];
    const root = mkdtempSync(join(tmpdir(), "stand-in-"));
    stops.push(() => rmSync(root, { recursive: true }));
    const network = makePodSwitch();
    stops.push(() => network[Symbol.dispose]());
    const server: ApiServer = await startApiServer({ extensions: [createVirtApi(connectVirtApi)] });
    stops.push(() => server.close());
    const client = createApiClient({ kubeconfig: server.adminKubeconfig });
    stops.push(() => client.close());
    const clientOf = async (account: { serviceAccount: string; namespace: string }) => {
      const own = createApiClient({ kubeconfig: await server.kubeconfigFor(account) });
      stops.push(() => own.close());
      return own;
    };
    let virtApi: Promise<ApiClient> | undefined;
    function connectVirtApi(): Promise<ApiClient> {
      virtApi ??= clientOf(virtApiAccount);
      return virtApi;
    }
    const applier = new Applier(client);
    for (const object of readManifests([join(import.meta.dirname, "../../manifests/kubevirt")]))
      await applier.apply(object);
    const log = (message: string) => void process.stderr.write(`${message}\n`);
    const run = async (
      serviceAccount: string,
      watched: typeof controllerKinds,
      start: (own: ApiClient, view: ReturnType<typeof createClusterView>) => Daemon,
    ) => {
      const own = await clientOf({ serviceAccount, namespace: "kubevirt" });
      const view = createClusterView({ client: own, kinds: watched });
      stops.push(() => view.close());
      const daemon = start(own, view);
      stops.push(() => daemon.stop());
      return daemon;
    };
    const controller = await run("kubevirt-controller", controllerKinds, (own, view) =>
      startVirtController({ client: own, view, log }),
    );
    const handlers = new Map<string, Daemon>();
    const kubelet = join(root, "pods");
    for (const [node, address] of Object.entries(nodes)) {
      await client.create(kinds.Node, { metadata: { name: node } });
      mkdirSync(join(root, node));
      const start = (own: ApiClient, view: ReturnType<typeof createClusterView>) =>
        startVirtHandler({ client: own, view, node, address, root: join(root, node), kubelet, log });
      handlers.set(node, await run("kubevirt-handler", handlerKinds, start));
    }
    const pods = new TinyKubelet({
      client,
      nodes: Object.keys(nodes),
      network,
      rootOf: (node) => join(root, node),
      pods: kubelet,
    });
    stops.push(() => pods.stop());
    return new TinyCluster({ client, controller, handlers, outside: network.outside, root, stops });
  }

  async stop(): Promise<void> {
    for (const stop of this.#stops.toReversed()) await stop();
  }

  /** Creates the VM, which always starts on node-a, and waits until its guest answers. Returns the guest's boot ID. */
  async startVm(): Promise<string> {
    const annotations = {
      "kubevirt.io/allow-pod-bridge-network-live-migration": "",
      [faultsAnnotation]: JSON.stringify(promptly),
    };
    const spec = { terminationGracePeriodSeconds: 5, evictionStrategy: "LiveMigrate" as const };
    await this.client.create(kinds.VirtualMachine, {
      metadata: vm,
      spec: { runStrategy: "Always", template: { metadata: { annotations }, spec } },
    });
    await this.untilVmi("the VMI to run", ({ status }) => status?.phase === "Running");
    return this.untilGuestAnswers();
  }

  /** Directory that a node's virt-handler shares with its launchers. */
  rootOf(node: string): string {
    return join(this.#root, node);
  }

  /** What QEMU did on a node. */
  journal(node: string): JournalEntry[] {
    const text = readFileSync(join(this.rootOf(node), "events.jsonl"), "utf8");
    return text
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line));
  }

  migrate(faults: Faults = {}): Promise<VirtualMachineInstanceMigration> {
    return this.client.create(kinds.VirtualMachineInstanceMigration, {
      metadata: {
        generateName: "vm-",
        namespace: vm.namespace,
        annotations: { [faultsAnnotation]: JSON.stringify(faults) },
      },
      spec: { vmiName: vm.name },
    });
  }

  find({ metadata: { name } }: VirtualMachineInstanceMigration) {
    return getIfPresent(this.client, kinds.VirtualMachineInstanceMigration, {
      namespace: vm.namespace,
      name,
    });
  }

  vmi(): Promise<VirtualMachineInstance> {
    return this.client.get(kinds.VirtualMachineInstance, vm);
  }

  pods = async (): Promise<Pod[]> => (await listAll(this.client, kinds.Pod)).items;
  livingPods = async () => (await this.pods()).filter(({ status }) => status?.phase === "Running");

  /** The pod the guest runs in, as far as KubeVirt says. */
  async currentPod(): Promise<Pod> {
    return currentPod(await this.vmi(), await this.pods())!;
  }

  /** A pod as it is by now. */
  again({ metadata: { name, namespace } }: Pod): Promise<Pod> {
    return this.client.get(kinds.Pod, { name, namespace });
  }

  /** Events of a reason about the VMI. */
  async events(reason: string): Promise<Event[]> {
    const { items } = await listAll(this.client, kinds.Event);
    return items.filter(
      (event) => event.reason === reason && event.involvedObject.kind === "VirtualMachineInstance",
    );
  }

  /** Waits until a migration is in a phase, and returns it. */
  async untilPhase(
    migration: VirtualMachineInstanceMigration,
    phase: string,
  ): Promise<VirtualMachineInstanceMigration> {
    return this.#untilMigration(migration, phase, (now) => now === phase);
  }

  /** Waits until a migration has ended, and returns it. */
  async untilEnd(migration: VirtualMachineInstanceMigration): Promise<VirtualMachineInstanceMigration> {
    return this.#untilMigration(migration, "at its end", isFinal);
  }

  async #untilMigration(
    migration: VirtualMachineInstanceMigration,
    what: string,
    holds: (phase: string | undefined) => boolean,
  ): Promise<VirtualMachineInstanceMigration> {
    let latest: VirtualMachineInstanceMigration | undefined;
    await until(`the migration ${what}`, async () => {
      latest = await this.find(migration);
      return holds(latest?.status?.phase);
    });
    return latest!;
  }

  async untilVmi(
    what: string,
    holds: (vmi: VirtualMachineInstance) => boolean,
  ): Promise<VirtualMachineInstance> {
    let latest: VirtualMachineInstance | undefined;
    await until(what, async () => {
      latest = await getIfPresent(this.client, kinds.VirtualMachineInstance, vm);
      return latest !== undefined && holds(latest);
    });
    return latest!;
  }

  /** Waits until one pod of the VM is left that runs. */
  untilAlone(): Promise<void> {
    return until("the other pod to end", async () => (await this.livingPods()).length === 1);
  }

  /** Waits until the guest answers by both families, and returns its boot ID. */
  async untilGuestAnswers(): Promise<string> {
    let answer = "";
    for (const host of [guestAddresses.ipv4, `[${guestAddresses.ipv6}]`]) {
      await until(`the guest to answer on ${host}`, async () => {
        const wget = ["busybox", "timeout", "1", "busybox", "wget", "-qO-", `http://${host}/status`];
        try {
          const argv = [`--net=${this.outside}`, "--", ...wget];
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
}

/** Waits for a condition; throws after 60 s. */
export async function until(what: string, holds: () => Promise<boolean>): Promise<void> {
  const deadline = Date.now() + 60_000;
  while (!(await holds())) {
    if (Date.now() > deadline) throw new Error(`waited 60 s for ${what}`);
    await delay(20);
  }
}
