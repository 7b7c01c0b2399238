import type { SimulatedPod, SimulationResult } from "./simulated-cluster.ts";
import { SimulatedVms } from "./simulated-vms.ts";

const minute = 60_000;

/**
 * A random history of many nodes, pods, VMs, migrations, late news, repeated and missing calls, crashes, lost answers, clock jumps and
 * settings, checked against what everybody was told. The seed reproduces it. Throws at the first violation.
 */
export async function simulate(seed: number, steps: number): Promise<SimulationResult> {
  const simulation = new Simulation(seed);
  try {
    for (let step = 0; step < steps; step++) {
      await simulation.step();
      if (step % 500 === 499) await simulation.verify();
    }
    await simulation.settle();
  } catch (cause) {
    throw new Error(
      `seed ${seed}, step ${simulation.steps}: ${cause instanceof Error ? cause.message : cause}`,
      { cause },
    );
  }
  return simulation.result;
}

/** Steps and how often they are taken, in per mille. */
const weights = {
  startPod: 180,
  stopPod: 160,
  secondSandbox: 40,
  startVm: 110,
  migrate: 100,
  switchOver: 80,
  failMigration: 30,
  promote: 80,
  promoteLate: 20,
  endPast: 70,
  stopVm: 30,
  deleteVm: 25,
  lateRetry: 20,
  forge: 15,
  impersonate: 15,
  fault: 50,
  restart: 20,
  jumpClock: 10,
  collect: 40,
  togglePool: 3,
  togglePersistence: 2,
} as const;

type StepName = keyof typeof weights;

export const stepNames = Object.keys(weights) as StepName[];

const total = Object.values(weights).reduce((sum, weight) => sum + weight, 0);

class Simulation extends SimulatedVms {
  readonly #steps: Readonly<Record<StepName, () => Promise<boolean> | boolean>> = {
    startPod: () => this.#startPod(),
    stopPod: () => this.#stopPod(this.pick(this.pods)),
    secondSandbox: () => this.secondSandbox(),
    startVm: () => this.startVm(),
    migrate: () => this.migrate(this.pick(this.vms.values())),
    switchOver: () => this.switchOver(this.pick(this.vms.values())),
    failMigration: () => this.failMigration(this.pick(this.vms.values())),
    promote: () => this.promote(this.pick(this.vms.values())),
    promoteLate: () => this.promoteLate(this.pick(this.vms.values())),
    endPast: () => this.endPast(this.pick(this.vms.values())),
    stopVm: () => this.stopVm(this.pick(this.vms.values()), false),
    deleteVm: () => this.stopVm(this.pick(this.vms.values()), true),
    lateRetry: () => this.lateRetry(this.pick(this.vms.values())),
    forge: () => this.forge(this.pick(this.vms.values())),
    impersonate: () => this.impersonate(this.pick(this.vms.values())),
    fault: () => this.#planFault(),
    restart: () => this.processes.delete(this.pick(this.nodes)!),
    jumpClock: () => this.#jumpClock(),
    collect: () => this.#collect(),
    togglePool: () => this.#togglePool(),
    togglePersistence: () =>
      this.random() < (this.persistent ? 0.2 : 1) ? this.#togglePersistence() : false,
  };

  async step() {
    this.steps++;
    this.wall += 1000;
    this.monotonic += 1000;
    const name = this.#draw();
    if (await this.#steps[name]()) this.taken[name] = (this.taken[name] ?? 0) + 1;
    this.holders();
  }

  #draw(): StepName {
    let dice = this.random() * total;
    for (const name of stepNames) {
      dice -= weights[name];
      if (dice < 0) return name;
    }
    return "startPod";
  }

  #planFault() {
    if (this.faultIn > 0) return false;
    this.faultIn = 1 + Math.floor(this.random() * 12);
    return true;
  }

  #jumpClock() {
    this.wall += (this.random() - 0.5) * 120 * minute;
    return true;
  }

  async #startPod() {
    const request = this.request("pod-");
    const pod = { request, node: request.node, addresses: undefined };
    if (await this.assign(request, pod)) this.pods.add(pod);
    else await this.end(pod);
    return true;
  }

  async #stopPod(pod: SimulatedPod | undefined) {
    if (!pod) return false;
    this.pods.delete(pod);
    await this.end(pod);
    return true;
  }

  async #collect() {
    const { released } = await this.collector.scan();
    const holders = this.holders();
    for (const { address, why } of released)
      if (holders.has(address))
        throw new Error(`${address} of ${holders.get(address)} was collected: ${why}`);
    this.collected += released.length;
    this.monotonic += this.random() * 20 * minute;
    if (!this.persistent) for (const vm of this.vms.values()) if (!vm.guest) vm.promised = undefined;
    return true;
  }

  async #togglePool() {
    const pool = this.pick(await this.store.list("IPPool"))!;
    const disabled = !pool.spec.disabled && this.random() < 0.5;
    await this.store.replace("IPPool", { ...pool, spec: { ...pool.spec, disabled } });
    return true;
  }

  /** VMs that run while it is switched on again have ordinary addresses until they are restarted. */
  async #togglePersistence() {
    this.persistent = !this.persistent;
    await this.boot(this.store).configure({
      kubeVirtVMAddressPersistence: this.persistent ? "Enabled" : "Disabled",
    });
    if (!this.persistent) for (const vm of this.vms.values()) if (!vm.guest) vm.promised = undefined;
    return true;
  }

  /** Nothing fails any more: guests own their addresses; then everything stops, and after collection every address is free. */
  async settle() {
    this.faultIn = 0;
    await this.verify();
    await this.verifyVms();
    for (const pod of [...this.pods]) await this.#stopPod(pod);
    for (const vm of [...this.vms.values()]) await this.stopVm(vm, true);
    for (let round = 0; round < 4; round++) {
      await this.collector.scan();
      this.monotonic += 20 * minute;
    }
    await this.verify(true);
    const left = (await this.store.list("IPAMBlock")).flatMap(({ spec }) => spec.attributes);
    const handles = await this.store.list("IPAMHandle");
    if (left.length > 0 || handles.length > 0)
      throw new Error(`left behind: ${JSON.stringify([left, handles])}`);
  }
}
