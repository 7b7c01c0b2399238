import { join } from "node:path";
import { type ClusterView, createClusterView } from "@fairlead/api";
import { type AttachmentStore, openAttachmentFiles, type RawRequest } from "@fairlead/cni";
import { createIpam, createKubernetesFacts, createKubernetesStore, createViewSettings } from "@fairlead/ipam";
import { activePodName } from "@fairlead/kubevirt";
import { createPolicyEngine, type Dataplane } from "@fairlead/policy";
import { createWorkloadRoutes } from "@fairlead/routes";
import { type Agent, createAgent } from "../agent.ts";
import type { Clock } from "../clock.ts";
import { openMigrationFiles } from "../migration-files.ts";
import { createNodeEvidence, type NodeEvidence } from "../node-evidence.ts";
import { SimulatedClient } from "./api-client.fixture.ts";
import type { ApiServer, Line } from "./api-server.fixture.ts";
import { NodeDisk } from "./disk.fixture.ts";
import { NodeKernel } from "./kernel.fixture.ts";
import { livelyKinds, withEmptyKinds } from "./lively-view.fixture.ts";
import { ConnectionLost, SimulatedProcess } from "./process.fixture.ts";
import { simulateReflexes } from "./reflexes.fixture.ts";
import type { Routers } from "./routers.fixture.ts";
import { nobody, type Random, randomFor, type VirtualTime } from "./virtual-time.fixture.ts";

/** What a node is part of. */
export interface NodeSurroundings {
  readonly time: VirtualTime;
  readonly server: ApiServer;
  readonly routers: Routers;
  readonly seed: string;
  /** Whether ordinary pods have handle objects. */
  readonly handleObjects: "always" | "when-needed";
  /** Says something in the story that is told of a failure. */
  tell(text: string): void;
  /** An agent ended by itself. */
  crashed(node: string, error: unknown): void;
}

interface Running {
  readonly agent: Agent;
  readonly attachments: AttachmentStore;
  readonly view: ClusterView;
  /** Calls that are not answered yet. */
  readonly calls: Set<Promise<unknown>>;
  /** What the agent does on SIGTERM. */
  end(): Promise<void>;
}

const stateDir = "/var/lib/fairlead";

/** How often it is tried to write what could not be written, milliseconds. */
const retryNotesEvery = 10_000;

/** How long Kubernetes leaves an agent away that ended by itself, milliseconds. */
const restartDelay = 2_000;

/** How long Kubernetes waits after SIGTERM, milliseconds. */
const terminationGrace = 30_000;

/** One node: a kernel and a disk that stay, and an agent that comes and goes. */
export class SimulatedNode {
  readonly name: string;
  readonly line: Line;
  readonly kernel: NodeKernel;
  readonly disk = new NodeDisk();
  /** Since when the agent is up and has read the cluster; undefined while it has not, or is stopped. */
  readySince: number | undefined;
  readonly #dataplane = createWillingDataplane();
  readonly #around: NodeSurroundings;
  readonly #random: Random;
  #process: SimulatedProcess | undefined;
  #running: Running | undefined;
  #boots = 0;
  /** How long it stays away when it ends. */
  #absence = restartDelay;
  /** It answers no more calls. */
  #isClosing = false;

  constructor(name: string, around: NodeSurroundings) {
    this.name = name;
    this.#around = around;
    this.#random = randomFor(around.seed, "node", name);
    this.line = around.server.line(around.seed, name);
    this.kernel = new NodeKernel(around.time, this.#random);
    around.routers.join(name, this.kernel);
  }

  get agent(): Agent | undefined {
    return this.#running?.agent;
  }

  get attachments(): AttachmentStore | undefined {
    return this.#running?.attachments;
  }

  /** Whether something keeps the agent from acting at once on what KubeVirt says. */
  get isHindered(): boolean {
    const { line, readySince } = this;
    const { now } = this.#around.time;
    return (
      readySince === undefined ||
      this.#running?.view.health().healthy !== true ||
      line.faults.read.length > 0 ||
      this.#around.routers.isSilent(this.name) ||
      [...line.heldUntil.values()].some((until) => until > now)
    );
  }

  /** Whether the agent has been up, and has heard all that KubeVirt says, for that long. */
  isUpToDateSince(moment: number): boolean {
    const { line, readySince = Number.POSITIVE_INFINITY } = this;
    return (
      !this.isHindered && readySince < moment && [...line.heldUntil.values()].every((until) => until < moment)
    );
  }

  /** Starts an agent, unless one is there. */
  boot(): void {
    if (this.#process) return;
    const { time, tell, crashed } = this.#around;
    const process = new SimulatedProcess(`${this.name}#${++this.#boots}`, time, (error) =>
      crashed(this.name, error),
    );
    this.#process = process;
    process.onEnd(() => this.#ended());
    time.after(0, () => this.#compose(process), process);
    tell(`${this.name}: agent starts`);
  }

  #ended(): void {
    this.#process = undefined;
    this.#running = undefined;
    this.readySince = undefined;
    const away = this.#absence;
    this.#absence = restartDelay;
    this.#isClosing = false;
    this.#around.tell(`${this.name}: agent has ended, and comes back in ${Math.round(away)} ms`);
    this.#around.time.after(away, () => this.boot(), nobody);
  }

  #compose(process: SimulatedProcess): void {
    const { time, server, tell } = this.#around;
    const { kernel, name, line } = this;
    const random = this.#random;
    const client = new SimulatedClient(server, process, line);
    const mirrored = createClusterView({ client, kinds: livelyKinds, now: () => time.now, random });
    const view = withEmptyKinds(mirrored);
    const store = createKubernetesStore({ client });
    const ipam = createIpam({
      store,
      settings: createViewSettings({ view, store }),
      facts: createKubernetesFacts(client, { guestPodOf: activePodName }),
      handleObjects: this.#around.handleObjects,
      clock: () => new Date(time.now),
      wait: (milliseconds) => new Promise((resolve) => void setTimeout(resolve, milliseconds)),
      random,
    });
    const files = this.disk.files(process);
    setInterval(files.retry, retryNotesEvery);
    const attachments = openAttachmentFiles(join(stateDir, "attachments"), undefined, {
      files,
      isLost: this.disk.isLost(),
    });
    const dataplane = this.#dataplane;
    const policy = createPolicyEngine({ dataplane, nodeName: name, watchInterval: 3_600_000 });
    const reflexes = simulateReflexes({ time, kernel, process, random });
    const agent = createAgent({
      nodeName: name,
      client,
      view,
      workloads: ipam.workloads,
      policy,
      routes: createWorkloadRoutes({ route: kernel.routesKernel(process) }),
      reflexes,
      bird: this.#around.routers.bird(name, process),
      wiring: kernel.wiring(process),
      attachments,
      evidence: this.#evidence(client),
      statusFiles: files,
      memory: openMigrationFiles(join(stateDir, "migrations"), undefined, files),
      timeline: { record() {} },
      clock: processClock(time),
      log: this.#log(),
      readMtu: () => undefined,
    });
    const calls = new Set<Promise<unknown>>();
    const end = async () => {
      await Promise.allSettled(calls);
      await agent[Symbol.asyncDispose]();
      reflexes[Symbol.dispose]();
      await view.close();
    };
    this.#running = { agent, attachments, view, calls, end };
    agent.start(AbortSignal.timeout(120_000)).then(
      () => {
        if (process.isDead) return;
        this.readySince = time.now;
        tell(`${name}: agent is ready`);
      },
      () => {
        if (process.isDead) return;
        tell(`${name}: agent cannot start`);
        process.kill();
      },
    );
  }

  /** What the agent says of its endpoints is part of the story. */
  #log() {
    return {
      info: (fields: object, message: string) => {
        if (!("because" in fields && "state" in fields && "pod" in fields)) return;
        const { name } = fields.pod as { name: string };
        if (message === "migration state" && fields.because !== "Start")
          this.#around.tell(`${this.name}: ${name} is ${fields.state}, because ${fields.because}`);
      },
      warn() {},
      error() {},
    };
  }

  /** What an agent finds that has lost its files: the status files are lost with them. */
  #evidence(client: SimulatedClient): NodeEvidence {
    const { kernel } = this;
    const { links, routes } = kernel.socket;
    return {
      ...createNodeEvidence({ route: { links, routes }, client, onError() {} }),
      interfaces: () =>
        kernel.hostInterfaces.map((name) => {
          const routed = kernel.routes.filter(({ hostInterface }) => hostInterface === name);
          return {
            name,
            index: links.get(name)?.index ?? 0,
            peer: kernel.endInside(name),
            routed: [...new Set(routed.map(({ address }) => address))],
          };
        }),
      statuses: () => [],
    };
  }

  /** SIGKILL before its next effect but so many; it comes back after a while. */
  kill(effects: number, away: number): boolean {
    const process = this.#process;
    if (!process) return false;
    this.#absence = away;
    if (effects === 0) process.kill();
    else process.killAfter(effects);
    return true;
  }

  /** A kill that has not happened yet does not. */
  spare(): void {
    this.#process?.spare();
  }

  /** Its agent has a fault that nobody catches. */
  break(): void {
    const fault = () => {
      throw new Error("a fault that nobody catches");
    };
    if (this.#process) this.#around.time.after(0, fault, this.#process);
  }

  /** SIGTERM. */
  terminate(away: number): boolean {
    const [process, running] = [this.#process, this.#running];
    if (!running || process?.state !== "running") return false;
    this.readySince = undefined;
    this.#absence = away;
    this.#isClosing = true;
    this.#around.tell(`${this.name}: agent is terminated`);
    const gone = () => process.kill();
    process.call(running.end).then(gone, gone);
    this.#around.time.after(terminationGrace, gone, nobody);
    return true;
  }

  /** SIGSTOP, and SIGCONT after a while. */
  freeze(milliseconds: number): boolean {
    const process = this.#process;
    if (process?.state !== "running") return false;
    const wasReady = this.readySince !== undefined;
    this.readySince = undefined;
    process.stop();
    this.#around.tell(`${this.name}: agent is stopped for ${Math.round(milliseconds)} ms`);
    this.#around.time.after(
      milliseconds,
      () => {
        if (process.isDead) return;
        process.resume();
        this.#around.tell(`${this.name}: agent goes on`);
        if (wasReady) this.readySince = this.#around.time.now;
      },
      nobody,
    );
    return true;
  }

  /** A call of the CNI plug-in. Rejects when there is no agent, or it dies before it answers. */
  async cni(raw: RawRequest): Promise<{ exitCode: number; stdout: string }> {
    const [process, running] = [this.#process, this.#running];
    if (!process || !running || this.#isClosing) throw new ConnectionLost(this.name);
    const { agent, calls } = running;
    return process.call(() => {
      const call = agent.cni.handle(raw);
      calls.add(call);
      void call.finally(() => calls.delete(call));
      return call;
    });
  }
}

/** A kernel that takes every rule: what rules say is no subject here. */
function createWillingDataplane(): Dataplane {
  const done = { messages: 1, bytes: 0 };
  return {
    reconcile: () => done,
    apply: () => done,
    disturbed: () => false,
    health: () => ({ exclusive: true }),
    close() {},
  };
}

/** Timers belong to whoever sets them. */
function processClock(time: VirtualTime): Clock {
  return {
    now: () => time.now,
    after(milliseconds, work) {
      const job = time.after(milliseconds, work);
      return { cancel: () => time.cancel(job) };
    },
  };
}
