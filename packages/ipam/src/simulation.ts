import {
  SimulatedCluster,
  type SimulatedPod,
  type SimulatedVm,
  type SimulationResult,
} from "./simulated-cluster.ts";

const minute = 60_000;

/**
 * A random history of many nodes, pods, VMs, migrations, crashes, clock jumps and settings, checked against what everybody was told.
 * The seed reproduces it. Throws at the first violation.
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

class Simulation extends SimulatedCluster {
  async step() {
    this.steps++;
    this.wall += 1000;
    this.monotonic += 1000;
    const dice = this.random();
    if (dice < 0.2) await this.#startPod();
    else if (dice < 0.38) await this.#stopPod(this.pick(this.pods));
    else if (dice < 0.5) await this.#startVm();
    else if (dice < 0.6) await this.#migrate(this.pick(this.vms.values()));
    else if (dice < 0.68) await this.#endMigration(this.pick(this.vms.values()), true);
    else if (dice < 0.71) await this.#endMigration(this.pick(this.vms.values()), false);
    else if (dice < 0.78) await this.#stopVm(this.pick(this.vms.values()), false);
    else if (dice < 0.82) await this.#stopVm(this.pick(this.vms.values()), true);
    else if (dice < 0.86) await this.#lateRetry(this.pick(this.vms.values()));
    else if (dice < 0.91) this.crashIn ||= 1 + Math.floor(this.random() * 12);
    else if (dice < 0.93) this.processes.delete(this.pick(this.nodes)!);
    else if (dice < 0.94) this.wall += (this.random() - 0.5) * 120 * minute;
    else if (dice < 0.98) await this.#collect();
    else if (dice < 0.983) await this.#togglePool();
    else if (this.random() < (this.persistent ? 0.05 : 0.3)) await this.#togglePersistence();
  }

  async #startPod() {
    const request = this.request("pod-");
    const pod = { request, node: request.node, addresses: undefined };
    if (await this.assign(request, pod)) this.pods.add(pod);
    else await this.release(pod);
    this.holders();
  }

  async #stopPod(pod: SimulatedPod | undefined) {
    if (!pod) return;
    this.pods.delete(pod);
    await this.release(pod);
  }

  async #startVm() {
    const stopped = [...this.vms.values()].filter(({ active, target }) => !active && !target);
    let vm = this.random() < 0.6 ? this.pick(stopped) : undefined;
    if (!vm && this.vms.size < 6) {
      const name = this.pick(["v0", "v1", "v2", "v3", "v4", "v5"].filter((one) => !this.vms.has(one)))!;
      vm = {
        name,
        uid: `${name}-${++this.created}`,
        active: undefined,
        target: undefined,
        promised: undefined,
        past: [],
      };
      this.vms.set(name, vm);
    }
    if (!vm) return;
    const request = this.request("virt-launcher-", {
      vm: { name: vm.name, vmUid: vm.uid, vmiUid: `i${this.created}`, role: "active" },
    });
    const pod: SimulatedPod = { request, node: request.node, addresses: undefined };
    if (!(await this.assign(request, pod))) return this.release(pod, { vm, deleting: false });
    vm.active = pod;
    if (this.persistent) this.#promise(vm, pod);
    this.holders();
  }

  /** A VM keeps what it was given once. */
  #promise(vm: SimulatedVm, pod: SimulatedPod) {
    if (vm.promised && String(vm.promised) !== String(pod.addresses))
      throw new Error(`VM ${vm.name} had ${vm.promised} and got ${pod.addresses}`);
    vm.promised = pod.addresses;
  }

  async #migrate(vm: SimulatedVm | undefined) {
    if (!vm?.active || vm.target) return;
    const identity = vm.active.request.vm!;
    const request = this.request("virt-launcher-", {
      vm: { ...identity, role: "target", migrationUid: `m${this.created}` },
    });
    const pod: SimulatedPod = { request, node: request.node, addresses: undefined };
    if (!(await this.assign(request, pod))) return this.release(pod, { vm, deleting: false });
    this.#promise(vm, pod);
    vm.target = pod;
    this.holders();
  }

  async #endMigration(vm: SimulatedVm | undefined, success: boolean) {
    if (!vm?.active || !vm.target) return;
    const { active: source, target } = vm;
    if (success) {
      try {
        await this.process(target.node).ipam.workloads.promote({
          network: "net",
          vm: { namespace: "ns", name: vm.name },
          pod: target.request.pod,
        });
      } catch (error) {
        // Tried again later.
        return this.expectRefusal(error);
      }
      vm.active = target;
      vm.target = undefined;
      vm.past.push(source);
      this.migrated++;
      await this.release(source, { vm, deleting: false });
    } else {
      vm.target = undefined;
      vm.past.push(target);
      await this.release(target, { vm, deleting: false });
    }
  }

  async #stopVm(vm: SimulatedVm | undefined, forGood: boolean) {
    if (!vm) return;
    const { active, target } = vm;
    vm.active = undefined;
    vm.target = undefined;
    if (forGood) {
      this.vms.delete(vm.name);
      vm.promised = undefined;
    }
    if (!this.persistent) vm.promised = undefined;
    for (const pod of [target, active]) {
      if (!pod) continue;
      vm.past.push(pod);
      await this.release(pod, { vm, deleting: forGood });
    }
  }

  /** An old pod's ADD comes again. It must not become an owner while a newer pod is one. */
  async #lateRetry(vm: SimulatedVm | undefined) {
    const old = this.pick(vm?.past ?? []);
    if (!vm?.active || !vm.promised || vm.promised !== vm.active.addresses || !old || !this.persistent)
      return;
    try {
      await this.process(old.node).ipam.workloads.assign(old.request);
      throw new Error(`old pod ${old.request.pod.name} got the address of VM ${vm.name}`);
    } catch (error) {
      this.expectRefusal(error);
    }
  }

  async #collect() {
    const { released } = await this.collector.scan();
    const holders = this.holders();
    for (const { address, why } of released)
      if (holders.has(address))
        throw new Error(`${address} of ${holders.get(address)} was collected: ${why}`);
    this.collected += released.length;
    this.monotonic += this.random() * 20 * minute;
    if (!this.persistent) for (const vm of this.vms.values()) if (!vm.active) vm.promised = undefined;
  }

  async #togglePool() {
    const pool = this.pick(await this.store.list("IPPool"))!;
    const disabled = !pool.spec.disabled && this.random() < 0.5;
    await this.store.replace("IPPool", { ...pool, spec: { ...pool.spec, disabled } });
  }

  /** VMs that run while it is switched on again have ordinary addresses until they are restarted. */
  async #togglePersistence() {
    this.persistent = !this.persistent;
    await this.boot(this.store).configure({
      kubeVirtVMAddressPersistence: this.persistent ? "Enabled" : "Disabled",
    });
    if (!this.persistent) for (const vm of this.vms.values()) if (!vm.active) vm.promised = undefined;
  }

  /** Stops everything: after collection every address must be free again. */
  async settle() {
    this.crashIn = 0;
    await this.verify();
    for (const pod of [...this.pods]) await this.#stopPod(pod);
    for (const vm of [...this.vms.values()]) await this.#stopVm(vm, true);
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
