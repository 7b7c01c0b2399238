import type { ApiServer, Count } from "./api-server.fixture.ts";
import { Instance, Machine } from "./instance.fixture.ts";
import type { Kubelet } from "./kubelet.fixture.ts";
import { KubeVirtObjects } from "./kubevirt-objects.fixture.ts";
import { Migration } from "./migration-flow.fixture.ts";
import type { MigrationPlan } from "./migration-plan.fixture.ts";
import type { SimulatedNode } from "./node.fixture.ts";
import { type Farewell, SimulatedPod } from "./pod.fixture.ts";
import { between, nobody, type Random, randomFor, type VirtualTime } from "./virtual-time.fixture.ts";

export interface KubeVirtParts {
  readonly time: VirtualTime;
  readonly server: ApiServer;
  readonly kubelet: Kubelet;
  readonly nodes: readonly SimulatedNode[];
  readonly seed: string;
  readonly count: Count;
  tell(text: string): void;
  /** The model itself has a fault. */
  broken(error: unknown): void;
}

/** What follows a stop. */
interface StopOptions {
  /** It is started again. */
  readonly again?: boolean;
  /** It is deleted. */
  readonly forGood?: boolean;
}

/** KubeVirt: its controller, its handlers on the nodes and its launchers, in the order and with the delays of the real one. */
export class KubeVirt {
  readonly parts: KubeVirtParts;
  readonly objects: KubeVirtObjects;
  readonly machines: Machine[] = [];
  /** Every launcher pod that ever was. */
  readonly pods: SimulatedPod[] = [];
  #stalledUntil = 0;
  #made = 0;

  constructor(parts: KubeVirtParts) {
    this.parts = parts;
    this.objects = new KubeVirtObjects(parts.server);
  }

  /** virt-controller does nothing for a while. */
  stall(milliseconds: number): void {
    this.#stalledUntil = Math.max(this.#stalledUntil, this.parts.time.now + milliseconds);
    this.parts.count("virt-controller stalled");
    this.parts.tell(`virt-controller is stalled for ${Math.round(milliseconds)} ms`);
  }

  /** The stall ends. */
  goOn(): void {
    this.#stalledUntil = 0;
  }

  /** The next time virt-controller gets to something. */
  async turn(random: Random, low = 10, high = 300): Promise<void> {
    const { time } = this.parts;
    await time.sleep(between(random, low, high));
    while (time.now < this.#stalledUntil) await time.sleep(between(random, 100, 400));
  }

  /** Does something beside everything else. */
  go(work: () => Promise<void>): void {
    work().catch(this.parts.broken);
  }

  uid(what: string): string {
    return `${what}-${++this.#made}`;
  }

  addMachine(isBare: boolean, hasOwnMac: boolean): Machine {
    const machine = new Machine(`vm-${this.machines.length}`, isBare, hasOwnMac);
    this.machines.push(machine);
    return machine;
  }

  /** Makes it if it was never there or was deleted, and starts it. */
  start(machine: Machine, random: Random, lostSandboxes = 0): boolean {
    if (machine.isBusy || machine.instance) return false;
    machine.isBusy = true;
    this.go(async () => {
      if (machine.uid === undefined && !machine.isBare) {
        machine.uid = this.uid("vm");
        this.objects.machine(machine);
      }
      this.parts.count("VM started");
      await this.turn(random);
      await this.#launch(machine, random, lostSandboxes);
    });
    return true;
  }

  async #launch(machine: Machine, random: Random, lostSandboxes: number): Promise<void> {
    const { time, tell } = this.parts;
    const uid = this.uid("vmi");
    if (machine.isBare) machine.uid = uid;
    const instance = new Instance(machine, uid, this.objects.newInstance(machine, uid));
    machine.instance = instance;
    machine.isBusy = false;
    this.objects.write(instance);
    await this.turn(random);
    if (instance.stopping.has) return;
    const pod = this.newPod(instance, random, undefined, lostSandboxes);
    instance.status.phase = "Scheduling";
    await this.place(pod, instance, random);
    await Promise.race([pod.started.happened, pod.ending.happened, instance.stopping.happened]);
    if (instance.stopping.has) return;
    if (pod.ending.has) return this.fail(instance, random);
    await this.turn(random);
    if (instance.stopping.has) return;
    instance.status.phase = "Scheduled";
    instance.status.nodeName = pod.node?.name ?? "";
    this.objects.write(instance);
    await time.sleep(between(random, 300, 2_000));
    if (instance.stopping.has || pod.ending.has) return;
    this.setGuest(instance, pod);
    tell(`${machine.name}: guest starts in ${pod.name} on ${pod.node?.name}`);
    this.announce(instance, pod, random, 1);
    await time.sleep(between(random, 50, 800));
    if (instance.stopping.has || pod.ending.has) return;
    instance.status.phase = "Running";
    this.reportInterfaces(instance, pod);
    this.objects.write(instance);
    instance.toldSince = time.now;
  }

  /** What virt-handler says of the guest's interface. */
  reportInterfaces({ status, machine }: Instance, pod: SimulatedPod): void {
    const [ipAddress = ""] = pod.addresses;
    status.interfaces = [
      { name: "default", mac: machine.mac, ipAddress, infoSource: "domain", podInterfaceName: "eth0" },
    ];
  }

  /** The truth: where the guest runs from now on. */
  setGuest(instance: Instance, pod: SimulatedPod | undefined): void {
    instance.guest = pod;
    instance.guestSince = this.parts.time.now;
    instance.toldSince = undefined;
    if (pod) pod.hadGuest = true;
  }

  /** The guest says where it is, so often. */
  announce(instance: Instance, pod: SimulatedPod, random: Random, frames: number): void {
    const { time } = this.parts;
    pod.isHeard = frames > 0 && pod.node?.isUpToDateSince(time.now - 1_000) === true;
    const moments = [0.5, 43, 193, 444, 794].slice(0, frames);
    for (const moment of moments)
      time.after(
        moment + random(),
        () => {
          if (instance.guest === pod && pod.current)
            pod.node?.kernel.announce(pod.current.netns, instance.machine.mac);
        },
        nobody,
      );
  }

  newPod(
    instance: Instance,
    random: Random,
    migration: Migration | undefined,
    lostSandboxes: number,
  ): SimulatedPod {
    const { machine } = instance;
    const uid = this.uid("pod");
    const pod = new SimulatedPod({
      name: `virt-launcher-${machine.name}-${uid.slice(4)}`,
      uid,
      instance: instance.uid,
      ...(migration && { migrationUid: migration.uid }),
      random: randomFor(this.parts.seed, uid, random()),
      farewell: farewellOf(random),
      lostSandboxes,
    });
    instance.pods.push(pod);
    this.pods.push(pod);
    this.objects.pod(instance, pod, migration);
    this.go(async () => {
      await pod.ending.happened;
      if (instance.guest === pod) this.setGuest(instance, undefined);
    });
    return pod;
  }

  /** The scheduler binds the pod, kubelet runs it, and virt-controller takes note, in any order. */
  async place(pod: SimulatedPod, instance: Instance, random: Random): Promise<void> {
    const { time, kubelet, nodes } = this.parts;
    await time.sleep(between(random, 5, 400));
    const taken = new Set(instance.livePods.map(({ node }) => node));
    const free = nodes.filter((node) => !taken.has(node));
    pod.node = free[Math.floor(random() * free.length)] ?? nodes[0];
    if (!this.objects.bind(pod)) {
      pod.node = undefined;
      pod.ending.happen();
      return pod.ended.happen();
    }
    this.go(() => kubelet.run(pod));
    this.go(async () => {
      await this.turn(random, 5, random() < 0.2 ? 1_300 : 150);
      instance.status.activePods = { ...instance.status.activePods, [pod.uid]: pod.node?.name ?? "" };
      this.objects.write(instance);
    });
  }

  migrate(machine: Machine, plan: MigrationPlan): Migration | undefined {
    const { instance } = machine;
    if (!instance?.guest || instance.stopping.has || instance.status.phase !== "Running") return undefined;
    // What virt-api's webhook sees; two requests at once do not see each other.
    if (!plan.isTwin && instance.migrations.some(({ isFinal }) => !isFinal)) return undefined;
    const migration = new Migration(this, instance, plan);
    instance.migrations.push(migration);
    this.go(() => migration.run());
    return migration;
  }

  /** The machine is stopped; started again at once if `again`, deleted if `forGood`. */
  stop(machine: Machine, random: Random, how: StopOptions): boolean {
    const { instance } = machine;
    if (machine.isBusy || !machine.uid) return false;
    machine.isBusy = true;
    machine.isGoing = how.forGood === true || machine.isBare;
    this.go(async () => {
      if (how.forGood && !machine.isBare) this.objects.machine(machine, true);
      if (instance) {
        await this.turn(random);
        await this.end(instance, random);
      }
      if (machine.isGoing) {
        this.parts.count("VM deleted");
        this.parts.tell(`${machine.name}: deleted`);
        if (!machine.isBare) this.objects.removeMachine(machine.name);
        machine.uid = undefined;
        machine.promised = undefined;
        machine.isGoing = false;
      }
      machine.isBusy = false;
      if (how.again) this.start(machine, random);
    });
    return true;
  }

  /** Deletes a VMI and everything of it. */
  async end(instance: Instance, random: Random): Promise<void> {
    const { time, kubelet, tell } = this.parts;
    const { machine, object } = instance;
    if (instance.stopping.has) return instance.over.happened;
    instance.stopping.happen();
    tell(`${machine.name}: instance is deleted`);
    object.metadata.deletionTimestamp = this.objects.timestamp();
    this.objects.write(instance);
    await this.turn(random);
    for (const pod of instance.pods) this.objects.deletePod(pod);
    await Promise.all(
      instance.pods.map(async (pod) => {
        if (!pod.node) return;
        if (!pod.ending.has) {
          await time.sleep(between(random, 20, 3_000));
          kubelet.finish(pod, "Succeeded");
        }
        await pod.ended.happened;
        kubelet.forget(pod);
      }),
    );
    instance.status.phase = "Succeeded";
    this.objects.write(instance);
    await this.turn(random);
    for (const { name } of instance.migrations) this.objects.removeMigration(name);
    instance.over.happen();
    this.objects.removeInstance(machine.name);
    if (machine.instance === instance) machine.instance = undefined;
  }

  /** The guest has ended by itself; whoever wanted it to run starts it anew. */
  fail(instance: Instance, random: Random): void {
    if (instance.stopping.has) return;
    const { machine } = instance;
    this.parts.count("VM failed");
    instance.status.phase = "Failed";
    this.objects.write(instance);
    for (const pod of instance.livePods) this.parts.kubelet.finish(pod, "Failed");
    this.stop(machine, random, { again: true });
  }
}

/** How a runtime takes leave of a pod's sandboxes. */
export function farewellOf(random: Random): Farewell {
  return {
    delay: random() < 0.6 ? between(random, 0, 500) : between(random, 500, 40_000),
    repeats: random() < 0.7 ? 0 : Math.ceil(random() * 2),
    never: random() < 0.25,
    objectFirst: random() < 0.3,
  };
}
