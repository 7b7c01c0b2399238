import { kinds } from "@fairlead/api";
import { ApiServer, nameOf } from "./api-server.fixture.ts";
import { definedKinds, type Event, type History, type Step } from "./history.fixture.ts";
import type { Machine } from "./instance.fixture.ts";
import { Kubelet } from "./kubelet.fixture.ts";
import { farewellOf, KubeVirt } from "./kubevirt.fixture.ts";
import { planOf } from "./migration-plan.fixture.ts";
import { Monitor, Violation } from "./monitor.fixture.ts";
import { SimulatedNode } from "./node.fixture.ts";
import { SimulatedPod } from "./pod.fixture.ts";
import { Routers } from "./routers.fixture.ts";
import { Strangers } from "./strangers.fixture.ts";
import { between, nobody, type Random, randomFor, VirtualTime } from "./virtual-time.fixture.ts";

const nodeNames = ["node-a", "node-b", "node-c"];
const minute = 60_000;

/** How long everything may take to come to rest, milliseconds. */
const longestUnrest = 30 * minute;
/** Convergence, retries and comparisons are over after that. */
const rest = 100_000;

/** A cluster of three nodes, and what happens to it. */
export class World {
  readonly time = new VirtualTime();
  readonly counts = new Map<string, number>();
  readonly server: ApiServer;
  readonly routers: Routers;
  readonly nodes: readonly SimulatedNode[];
  readonly kubelet: Kubelet;
  readonly kubevirt: KubeVirt;
  readonly strangers: Strangers;
  readonly monitor: Monitor;
  /** Ordinary pods that are there, by name. */
  readonly pods = new Map<string, SimulatedPod>();
  readonly everyPod = new Set<SimulatedPod>();
  /** What happened, for the reader of a failure. */
  readonly story: string[] = [];
  readonly #history: History;
  readonly #begin: number;
  #failure: unknown;

  /** @param isTold the story says more, and takes longer */
  constructor(history: History, isTold = false) {
    this.#history = history;
    this.#begin = this.time.now;
    const { time, count, tell } = this;
    const { seed } = history;
    const handleObjects = randomFor(seed, "handle objects")() < 0.3 ? "always" : "when-needed";
    const broken = (error: unknown) => {
      this.#failure ??= error;
    };
    this.server = new ApiServer(time, count);
    this.routers = new Routers(time, randomFor(seed, "routers"));
    const { server } = this;
    this.nodes = nodeNames.map(
      (name) =>
        new SimulatedNode(name, {
          time,
          server,
          routers: this.routers,
          seed,
          handleObjects,
          tell,
          crashed: (node, error) =>
            broken(new Violation("AgentCrashed", `${node}: ${error instanceof Error ? error.stack : error}`)),
        }),
    );
    const { nodes } = this;
    this.kubelet = new Kubelet({
      time,
      server,
      count,
      tell,
      broken,
      given: (pod, addresses) => this.#given(pod, addresses),
    });
    const { kubelet } = this;
    this.kubevirt = new KubeVirt({ time, server, kubelet, nodes, seed, count, tell, broken });
    this.strangers = new Strangers(this.kubevirt);
    const { machines } = this.kubevirt;
    this.monitor = new Monitor({ time, server, kubelet, nodes, machines, ordinaryPods: this.everyPod });
    this.time.afterJob = () => {
      if (this.#failure) throw this.#failure;
      this.monitor.look();
      if (isTold) this.#tellOwners();
    };
  }

  readonly count = (what: string) => void this.counts.set(what, (this.counts.get(what) ?? 0) + 1);

  readonly tell = (text: string) => {
    this.story.push(`${((this.time.now - this.#begin) / 1000).toFixed(3).padStart(9)} s  ${text}`);
  };

  #owners = new Map<string, string>();

  /** Who owns which address, whenever that changes. */
  #tellOwners(): void {
    const now = this.monitor.owners();
    for (const address of new Set([...now.keys(), ...this.#owners.keys()])) {
      const [is, was] = [now.get(address) ?? "free", this.#owners.get(address) ?? "free"];
      if (is !== was && address.includes(".")) this.tell(`${address}: ${was} → ${is}`);
    }
    this.#owners = now;
  }

  /** Everything up and running: the nodes, and the machines in their first pods. */
  async begin(): Promise<void> {
    const { store } = this.server.cluster;
    store.create(kinds.Namespace, { metadata: { name: "default" } });
    for (const name of nodeNames) store.create(kinds.Node, { metadata: { name } });
    store.create(kinds.IPPool, {
      metadata: { name: "four" },
      spec: { cidr: "10.244.0.0/24", blockSize: 28 },
    });
    store.create(kinds.IPPool, {
      metadata: { name: "six" },
      spec: { cidr: "fd00:10:244::/120", blockSize: 124 },
    });
    for (const node of this.nodes) node.boot();
    await this.#until("the agents start", () => this.nodes.every(({ readySince }) => readySince));
    const random = randomFor(this.#history.seed, "begin");
    for (let i = 0; i < this.#history.machines; i++) {
      const machine = this.kubevirt.addMachine(random() < 0.15, random() < 0.5);
      this.kubevirt.start(machine, random, random() < 0.1 ? 1 : 0);
    }
    for (let i = 0; i < 2; i++) if (random() < 0.4) this.#runPod(`web-${i}`, random);
    await this.#until("the VMs start", () => this.#unrest().length === 0);
  }

  async play({ id, wait, event }: Step): Promise<void> {
    await this.time.run(() => false, this.time.now + wait);
    const random = randomFor(this.#history.seed, "step", id);
    if (this.#apply(event, random)) this.count(`step: ${event.do}`);
  }

  /** Whether there was anything to do it to. */
  #apply(event: Event, random: Random): boolean {
    const { kubevirt, server } = this;
    switch (event.do) {
      case "migrate":
        return kubevirt.migrate(this.#machine(event.machine), planOf(random, false)) !== undefined;
      case "migrate twice": {
        const machine = this.#machine(event.machine);
        const first = kubevirt.migrate(machine, planOf(random, false));
        return first !== undefined && kubevirt.migrate(machine, planOf(random, true)) !== undefined;
      }
      case "cancel": {
        const { instance } = this.#machine(event.machine);
        const migration = instance?.migrations.findLast(({ isFinal }) => !isFinal);
        migration?.cancel();
        return migration !== undefined;
      }
      case "start":
        return kubevirt.start(this.#machine(event.machine), random, random() < 0.2 ? 1 : 0);
      case "stop":
        return kubevirt.stop(this.#machine(event.machine), random, {});
      case "restart":
        return kubevirt.stop(this.#machine(event.machine), random, { again: true });
      case "delete":
        return kubevirt.stop(this.#machine(event.machine), random, { forGood: true });
      case "recreate":
        return kubevirt.stop(this.#machine(event.machine), random, { forGood: true, again: true });
      case "forge":
        return this.strangers.forge(this.#machine(event.machine), this.#node(event.node), random);
      case "squat":
        return this.strangers.squat(this.#machine(event.machine), random);
      case "pod":
        return this.#runPod(`web-${event.pod % 3}`, random);
      case "no pod":
        return this.#deletePod(`web-${event.pod % 3}`);
      case "new sandbox":
        return this.#replaceSandbox(`web-${event.pod % 3}`);
      case "kill":
        return this.#node(event.node).kill(event.effects, event.away);
      case "terminate":
        return this.#node(event.node).terminate(event.away);
      case "freeze":
        return this.#node(event.node).freeze(event.milliseconds);
      case "hold": {
        const { line, name } = this.#node(event.node);
        const kind = nameOf(kinds[event.kind]);
        const until = Math.max(line.heldUntil.get(kind) ?? 0, this.time.now + event.milliseconds);
        line.heldUntil.set(kind, until);
        this.tell(`${name}: hears nothing of any ${event.kind} for ${Math.round(event.milliseconds)} ms`);
        return true;
      }
      case "fail":
      case "refuse":
      case "lose":
        for (let i = 0; i < event.requests; i++)
          this.#node(event.node).line.faults[event.kind].push(event.do);
        this.tell(`${this.#node(event.node).name}: ${event.do} the next ${event.requests} ${event.kind}s`);
        return true;
      case "server down":
        if (server.isDown) return false;
        server.setDown(true);
        this.tell("the API server is down");
        this.time.after(event.milliseconds, () => this.#serverUp(), nobody);
        return true;
      case "no definition": {
        const kind = kinds[event.kind];
        server.cluster.unserve(kind);
        server.cutWatches();
        this.tell(`the server does not know ${event.kind} for ${Math.round(event.milliseconds)} ms`);
        this.time.after(event.milliseconds, () => server.cluster.serve(kind), nobody);
        return true;
      }
      case "disk full": {
        const { disk, name } = this.#node(event.node);
        disk.isFull = true;
        this.tell(`${name}: the disk is full for ${Math.round(event.milliseconds)} ms`);
        this.time.after(event.milliseconds, () => (disk.isFull = false), nobody);
        return true;
      }
      case "silent bird":
        this.routers.silence(this.#node(event.node).name, event.milliseconds);
        this.tell(
          `${this.#node(event.node).name}: BIRD does not answer for ${Math.round(event.milliseconds)} ms`,
        );
        return true;
      case "wipe":
        this.#node(event.node).disk.wipe();
        this.tell(`${this.#node(event.node).name}: the agent's files are lost`);
        return true;
      case "cut watches":
        if (event.compact) server.compact();
        server.cutWatches();
        this.tell("all watches are cut");
        return true;
      case "stall":
        kubevirt.stall(event.milliseconds);
        return true;
    }
  }

  #serverUp(): void {
    this.server.setDown(false);
    this.tell("the API server is up");
  }

  #machine(index: number): Machine {
    const { machines } = this.kubevirt;
    return machines[index % machines.length]!;
  }

  #node(index: number): SimulatedNode {
    return this.nodes[index % this.nodes.length]!;
  }

  #runPod(name: string, random: Random): boolean {
    if (this.pods.has(name)) return false;
    const pod = new SimulatedPod({
      name,
      uid: this.kubevirt.uid("pod"),
      random: randomFor(this.#history.seed, name, random()),
      farewell: farewellOf(random),
      lostSandboxes: random() < 0.3 ? 1 + Math.floor(random() * 3) : 0,
    });
    pod.node = this.#node(Math.floor(random() * nodeNames.length));
    this.pods.set(name, pod);
    this.everyPod.add(pod);
    this.kubevirt.objects.ordinaryPod(pod);
    this.tell(`${name}: comes to ${pod.node.name}`);
    this.kubevirt.go(() => this.kubelet.run(pod));
    return true;
  }

  #deletePod(name: string): boolean {
    const pod = this.pods.get(name);
    if (!pod || pod.ending.has) return false;
    this.tell(`${name}: is deleted`);
    this.kubevirt.objects.deletePod(pod);
    this.kubevirt.go(async () => {
      await this.time.sleep(between(pod.options.random, 20, 2_000));
      pod.ending.happen();
      await pod.ended.happened;
      this.kubelet.forget(pod);
      this.pods.delete(name);
      this.everyPod.delete(pod);
    });
    return true;
  }

  #replaceSandbox(name: string): boolean {
    const pod = this.pods.get(name);
    if (!pod?.current || !pod.started.has || pod.ending.has) return false;
    this.kubevirt.go(() => this.kubelet.replaceSandbox(pod));
    return true;
  }

  deletePods(): void {
    for (const name of this.pods.keys()) this.#deletePod(name);
  }

  /** A machine keeps its addresses. */
  #given(pod: SimulatedPod, addresses: readonly string[]): void {
    const machine = this.kubevirt.machines.find(({ instance }) => instance?.pods.includes(pod));
    if (!machine || machine.isGoing) return;
    machine.promised ??= addresses;
    if (machine.promised.join() !== addresses.join())
      throw new Violation(
        "AddressChanged",
        `${machine.name} had ${machine.promised.join(" ")} and got ${addresses.join(" ")}`,
      );
  }

  /** All faults end, and everything comes to rest. */
  async settle(): Promise<void> {
    this.tell("nothing is disturbed any more");
    if (this.server.isDown) this.#serverUp();
    this.kubevirt.goOn();
    for (const node of this.nodes) {
      node.spare();
      node.disk.isFull = false;
      this.routers.silence(node.name, 0);
    }
    for (const kind of definedKinds) this.server.cluster.serve(kinds[kind]);
    for (const { faults } of this.nodes.map(({ line }) => line)) faults.read.length = faults.write.length = 0;
    await this.#until("everything comes to rest", () => this.#unrest().length === 0);
    await this.time.run(() => false, this.time.now + rest);
    await this.#until("everything comes to rest", () => this.#unrest().length === 0);
  }

  async #until(what: string, done: () => boolean): Promise<void> {
    if (!(await this.time.run(done, this.time.now + longestUnrest)))
      throw new Violation("NoRest", `${what}: not within 30 min: ${this.#unrest().join("; ")}`);
  }

  /** What is still going on. */
  #unrest(): string[] {
    const busy: string[] = this.strangers.areGone ? [] : ["strangers have not given up"];
    for (const { name, readySince } of this.nodes)
      if (readySince === undefined) busy.push(`the agent of ${name} is not ready`);
    for (const { name, isBusy, instance } of this.kubevirt.machines) {
      if (isBusy) busy.push(`${name} is being started or stopped`);
      if (!instance) continue;
      if (!instance.guest || instance.toldSince === undefined) busy.push(`${name} does not run`);
      if (instance.migrations.some(({ isFinal }) => !isFinal)) busy.push(`${name} migrates`);
      for (const pod of instance.livePods) if (pod !== instance.guest) busy.push(`${pod.name} has not ended`);
    }
    for (const pod of [...this.kubevirt.pods, ...this.everyPod]) {
      if (pod.ending.has ? !pod.ended.has : !pod.current) busy.push(`${pod.name} starts or ends`);
      if (pod.sandboxes.some(({ isGivenUp, isGone }) => isGivenUp && !isGone))
        busy.push(`a sandbox of ${pod.name} is left`);
    }
    return busy;
  }
}
