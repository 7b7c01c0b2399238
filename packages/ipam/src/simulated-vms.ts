import { attribute } from "./attributes.ts";
import { SimulatedCluster, type SimulatedPod, type SimulatedVm } from "./simulated-cluster.ts";
import type { GuestFact, WorkloadRequest } from "./workload-types.ts";

/** VMs that start, move and stop, with what KubeVirt says of them late, and with people who forge pods. A step says whether it was taken. */
export class SimulatedVms extends SimulatedCluster {
  #revision = 100;

  async end(pod: SimulatedPod, vm?: { readonly vm: SimulatedVm; readonly deleting: boolean }) {
    this.exists.delete(pod.request.pod.name);
    pod.addresses = undefined;
    await this.release(pod, vm);
  }

  /** A new sandbox of the pod in which the guest is to run; the runtime ends the old one late, more than once, or never. */
  async secondSandbox() {
    const vm = this.pick(this.vms.values());
    const pod = vm?.guest;
    if (!vm || !pod?.addresses || !vm.promised || !this.persistent) return false;
    const request = { ...pod.request, containerId: `c${++this.created}` };
    const next: SimulatedPod = { request: this.#informed(request, vm), node: pod.node, addresses: undefined };
    if (!(await this.assign(next.request, next))) return false;
    this.#promise(vm, next);
    vm.guest = next;
    await this.release(pod, { vm, deleting: false });
    return true;
  }

  /** KubeVirt says something new of the guest's place. */
  #say(vm: SimulatedVm, pod: SimulatedPod | undefined) {
    this.#revision += 1 + Math.floor(this.random() * 3);
    vm.said.push({ pod: pod?.request.pod.name, revision: String(this.#revision) });
  }

  /** A request with what the node's watch has of KubeVirt's word: not older than the pod, as the pod is listed in it. */
  #informed(request: WorkloadRequest, vm: SimulatedVm, since = vm.said.length - 1): WorkloadRequest {
    const guest: GuestFact | undefined = this.pick(vm.said.slice(Math.max(0, since)));
    return { ...request, vm: { ...request.vm!, guest } };
  }

  async startVm() {
    const stopped = [...this.vms.values()].filter(({ vmiUid }) => vmiUid === undefined);
    let vm = this.random() < 0.6 ? this.pick(stopped) : undefined;
    if (!vm && this.vms.size < 6) {
      const name = this.pick(["v0", "v1", "v2", "v3", "v4", "v5"].filter((one) => !this.vms.has(one)))!;
      const uid = `${name}-${++this.created}`;
      vm = {
        name,
        uid,
        vmiUid: undefined,
        guest: undefined,
        target: undefined,
        said: [],
        promised: undefined,
        past: [],
      };
      this.vms.set(name, vm);
    }
    if (!vm) return false;
    vm.vmiUid = `i${++this.created}`;
    vm.said = [];
    this.#say(vm, undefined);
    const identity = { name: vm.name, vmUid: vm.uid, vmiUid: vm.vmiUid, role: "active" as const };
    const request = this.#informed(this.request("virt-launcher-", { vm: identity }), vm);
    const pod: SimulatedPod = { request, node: request.node, addresses: undefined };
    vm.guest = pod;
    if (!(await this.assign(request, pod))) {
      await this.stopVm(vm, false);
      return false;
    }
    if (this.persistent) this.#promise(vm, pod);
    return true;
  }

  /** A VM keeps what it was given once. */
  #promise(vm: SimulatedVm, pod: SimulatedPod) {
    if (vm.promised && String(vm.promised) !== String(pod.addresses))
      throw new Error(`VM ${vm.name} had ${vm.promised} and got ${pod.addresses}`);
    vm.promised = pod.addresses;
  }

  async migrate(vm: SimulatedVm | undefined) {
    if (!vm?.guest?.addresses || vm.target) return false;
    const { name, vmUid, vmiUid } = vm.guest.request.vm!;
    const identity = { name, vmUid, vmiUid, role: "target" as const, migrationUid: `m${this.created}` };
    const request = this.#informed(this.request("virt-launcher-", { vm: identity }), vm);
    const pod: SimulatedPod = { request, node: request.node, addresses: undefined };
    vm.target = pod;
    if (!(await this.assign(request, pod))) {
      await this.failMigration(vm);
      return false;
    }
    this.#promise(vm, pod);
    // KubeVirt names source and target when both are there.
    this.#say(vm, vm.guest);
    return true;
  }

  async switchOver(vm: SimulatedVm | undefined) {
    if (!vm?.guest || !vm.target?.addresses) return false;
    vm.past.push(vm.guest);
    vm.guest = vm.target;
    vm.target = undefined;
    this.#say(vm, vm.guest);
    this.migrated++;
    return true;
  }

  async failMigration(vm: SimulatedVm | undefined) {
    if (!vm?.target) return false;
    const { target } = vm;
    vm.target = undefined;
    vm.past.push(target);
    await this.end(target, { vm, deleting: false });
    return true;
  }

  /** The agent of the guest's node makes its pod the owner; it may come long after, or in the middle of the next migration. */
  async promote(vm: SimulatedVm | undefined) {
    if (!vm?.guest || !vm.promised || !vm.vmiUid) return false;
    try {
      const outcome = await this.#promotePod(vm, vm.guest);
      if (outcome !== "owner") throw new Error(`the guest of ${vm.name} was said to run elsewhere`);
    } catch (error) {
      this.expectRefusal(error);
    }
    return true;
  }

  /** An agent with old news believes the guest is still there. */
  async promoteLate(vm: SimulatedVm | undefined) {
    const old = this.pick(vm?.past ?? []);
    if (!vm?.guest || !old || !vm.promised) return false;
    try {
      if ((await this.#promotePod(vm, old)) === "owner")
        throw new Error(`${old.request.pod.name}, left by the guest, owns the address of ${vm.name}`);
    } catch (error) {
      this.expectRefusal(error);
    }
    return true;
  }

  #promotePod({ name, uid }: SimulatedVm, { node, request }: SimulatedPod) {
    const { pod, containerId, network, vm } = request;
    return this.process(node).ipam.workloads.promote({
      network,
      vm: { namespace: "ns", name, vmUid: uid, vmiUid: vm?.vmiUid },
      pod,
      node,
      containerId,
    });
  }

  /** DEL of a pod the guest has left, whenever, as often as the runtime likes. */
  async endPast(vm: SimulatedVm | undefined) {
    const old = this.pick(vm?.past ?? []);
    if (!vm || !old) return false;
    await this.end(old, { vm, deleting: false });
    return true;
  }

  async stopVm(vm: SimulatedVm | undefined, forGood: boolean) {
    if (!vm) return false;
    const { guest, target } = vm;
    vm.guest = undefined;
    vm.target = undefined;
    vm.vmiUid = undefined;
    if (forGood) {
      this.vms.delete(vm.name);
      vm.promised = undefined;
    }
    if (!this.persistent) vm.promised = undefined;
    const left = vm.past.filter(({ request }) => this.exists.has(request.pod.name));
    for (const pod of [target, guest, ...left]) {
      if (!pod) continue;
      if (!vm.past.includes(pod)) vm.past.push(pod);
      await this.end(pod, { vm, deleting: forGood });
    }
    return true;
  }

  /** An old pod's ADD comes again, with old news. It must not become an owner: at most it is one still. */
  async lateRetry(vm: SimulatedVm | undefined) {
    const old = this.pick(vm?.past ?? []);
    if (!vm?.guest?.addresses || vm.promised !== vm.guest.addresses || !old || !this.persistent) return false;
    if (old.request.vm?.role === "target" && old.request.vm.vmiUid === vm.vmiUid) return false;
    const { active } = await this.boot(this.store).owners.get(vm.promised[0]!);
    try {
      await this.process(old.node).ipam.workloads.assign(old.request);
      if (active?.[attribute.podUid] !== old.request.pod.uid)
        throw new Error(`old pod ${old.request.pod.name} got the address of VM ${vm.name}`);
    } catch (error) {
      this.expectRefusal(error);
    }
    return true;
  }

  /** Somebody makes a second pod with the VMI's owner reference. */
  async forge(vm: SimulatedVm | undefined) {
    if (!vm?.guest?.addresses || !vm.vmiUid || !vm.promised || !this.persistent) return false;
    const identity = { ...vm.guest.request.vm!, role: "active" as const };
    const request = this.#informed(this.request("forged-", { vm: identity }), vm);
    const pod: SimulatedPod = { request, node: request.node, addresses: undefined };
    if (await this.assign(request, pod)) throw new Error(`a forged pod got the address of VM ${vm.name}`);
    await this.end(pod, { vm, deleting: this.random() < 0.3 });
    return true;
  }

  /** A VMI of its own takes the name of a stopped VM, and is deleted again. */
  async impersonate(vm: SimulatedVm | undefined) {
    if (!vm || vm.vmiUid || !vm.promised || !this.persistent) return false;
    const identity = { name: vm.name, vmiUid: `x${this.created}`, role: "active" as const };
    const request = this.request("virt-launcher-", { vm: identity });
    const pod: SimulatedPod = { request, node: request.node, addresses: undefined };
    if (await this.assign(request, pod)) throw new Error(`a stranger got the address of VM ${vm.name}`);
    await this.end(pod, { vm, deleting: true });
    return true;
  }

  /** Nothing is in flight: the pod of each guest owns the VM's addresses, and the VM can migrate. */
  async verifyVms() {
    for (const vm of this.vms.values()) {
      if (!vm.guest || !vm.promised || !this.persistent) continue;
      await this.failMigration(vm);
      await this.promote(vm);
      const ipam = this.boot(this.store);
      for (const address of vm.promised) {
        const { active } = await ipam.owners.get(address);
        if (active?.[attribute.pod] !== vm.guest.request.pod.name)
          throw new Error(`${vm.name} runs in ${vm.guest.request.pod.name}, ${active?.pod} owns ${address}`);
      }
      if (!(await this.migrate(vm))) throw new Error(`VM ${vm.name} cannot migrate`);
      await this.switchOver(vm);
      await this.promote(vm);
    }
  }
}
