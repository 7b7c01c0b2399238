import { isIpamError } from "./errors.ts";
import type { ClusterFacts, PodFact } from "./facts.ts";
import { createFaultyStore, type FaultyStore } from "./faulty-store.ts";
import { createIpam, type Ipam } from "./ipam.ts";
import { createMemoryStore } from "./memory-store.ts";
import { findViolations } from "./violations.ts";
import type { WorkloadRelease, WorkloadRequest } from "./workload-types.ts";

const minute = 60_000;

interface SimulatedPod {
  readonly request: WorkloadRequest;
  readonly node: string;
  /** What its ADD answered; undefined while unknown or failed. */
  addresses: readonly string[] | undefined;
}

interface SimulatedVm {
  readonly name: string;
  readonly uid: string;
  active: SimulatedPod | undefined;
  target: SimulatedPod | undefined;
  /** Promised to it for life; undefined when it has none it could count on. */
  promised: readonly string[] | undefined;
  readonly past: SimulatedPod[];
}

/** What a random history did, and what it broke. */
export interface SimulationResult {
  readonly steps: number;
  readonly assigned: number;
  readonly migrated: number;
  readonly crashes: number;
  readonly collected: number;
  /** Refusals by code: expected when a pool is full or disabled, or an old pod comes back. */
  readonly refused: Readonly<Record<string, number>>;
}

/** mulberry32: small, fast, and the same everywhere. */
export function seeded(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), state | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 4_294_967_296;
  };
}

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

class Simulation {
  steps = 0;
  readonly #random: () => number;
  #wall = Date.parse("2026-01-01T00:00:00Z");
  #monotonic = 0;
  #created = 0;
  readonly #store = createMemoryStore();
  readonly #nodes = ["n0", "n1", "n2", "n3"];
  readonly #processes = new Map<string, { readonly ipam: Ipam; readonly store: FaultyStore }>();
  #crashIn = 0;
  readonly #pods = new Set<SimulatedPod>();
  readonly #vms = new Map<string, SimulatedVm>();
  readonly #exists = new Map<string, PodFact>();
  #persistent = true;
  readonly #collector;
  #assigned = 0;
  #migrated = 0;
  #crashes = 0;
  #collected = 0;
  readonly #refused: Record<string, number> = {};

  constructor(seed: number) {
    this.#random = seeded(seed);
    const load = (name: string, cidr: string, blockSize: number) =>
      this.#store.load("IPPool", { metadata: { name }, spec: { cidr, blockSize } });
    load("a4", "10.0.0.0/28", 30);
    load("b4", "10.0.1.0/28", 29);
    load("a6", "fd00::/124", 126);
    load("b6", "fd01::/124", 125);
    this.#collector = this.#boot(this.#store).collector({
      facts: this.#facts,
      monotonic: () => this.#monotonic,
    });
  }

  get result(): SimulationResult {
    return {
      steps: this.steps,
      assigned: this.#assigned,
      migrated: this.#migrated,
      crashes: this.#crashes,
      collected: this.#collected,
      refused: this.#refused,
    };
  }

  readonly #facts: ClusterFacts = {
    pod: async (_, name) => this.#exists.get(name),
    vm: async (_, name) => {
      const vm = this.#vms.get(name);
      return vm && { uid: vm.uid, deleting: false };
    },
    vmi: async () => undefined,
    node: async () => ({ labels: {} }),
  };

  #boot(store: FaultyStore | ReturnType<typeof createMemoryStore>): Ipam {
    return createIpam({
      store,
      clock: () => new Date(this.#wall),
      random: this.#random,
      wait: async () => {},
      settingsMaxAgeMs: 0,
      facts: this.#facts,
    });
  }

  #process(node: string) {
    let process = this.#processes.get(node);
    if (!process || process.store.crashed) {
      const store = createFaultyStore(this.#store, {
        fault: () => {
          if (this.#crashIn === 0 || --this.#crashIn > 0) return undefined;
          this.#crashes++;
          return this.#random() < 0.5 ? "crash before" : "crash after";
        },
      });
      process = { store, ipam: this.#boot(store) };
      this.#processes.set(node, process);
    }
    return process;
  }

  #pick<T>(items: Iterable<T>): T | undefined {
    const list = [...items];
    return list[Math.floor(this.#random() * list.length)];
  }

  async step() {
    this.steps++;
    this.#wall += 1000;
    this.#monotonic += 1000;
    const dice = this.#random();
    if (dice < 0.2) await this.#startPod();
    else if (dice < 0.38) await this.#stopPod(this.#pick(this.#pods));
    else if (dice < 0.5) await this.#startVm();
    else if (dice < 0.6) await this.#migrate(this.#pick(this.#vms.values()));
    else if (dice < 0.68) await this.#endMigration(this.#pick(this.#vms.values()), true);
    else if (dice < 0.71) await this.#endMigration(this.#pick(this.#vms.values()), false);
    else if (dice < 0.78) await this.#stopVm(this.#pick(this.#vms.values()), false);
    else if (dice < 0.82) await this.#stopVm(this.#pick(this.#vms.values()), true);
    else if (dice < 0.86) await this.#lateRetry(this.#pick(this.#vms.values()));
    else if (dice < 0.91) this.#crashIn ||= 1 + Math.floor(this.#random() * 12);
    else if (dice < 0.93) this.#processes.delete(this.#pick(this.#nodes)!);
    else if (dice < 0.94) this.#wall += (this.#random() - 0.5) * 120 * minute;
    else if (dice < 0.98) await this.#collect();
    else if (dice < 0.983) await this.#togglePool();
    else if (this.#random() < (this.#persistent ? 0.05 : 0.3)) await this.#togglePersistence();
  }

  #request(prefix: string, more: Partial<WorkloadRequest> = {}): WorkloadRequest {
    const n = ++this.#created;
    const name = `${prefix}${n}`;
    return {
      network: "net",
      containerId: `c${n}`,
      node: this.#pick(this.#nodes)!,
      pod: {
        namespace: "ns",
        name,
        uid: `uid-${n}`,
        // The API server's clock, which orders pods; nodes' clocks may be wrong.
        creationTimestamp: new Date(Date.parse("2026-01-01T00:00:00Z") + n * 1000).toISOString(),
      },
      families: [4, 6],
      ...more,
    };
  }

  async #assign(request: WorkloadRequest, pod: SimulatedPod): Promise<boolean> {
    this.#exists.set(request.pod.name, {
      uid: request.pod.uid,
      node: request.node,
      phase: "Running",
      addresses: [],
      deleting: false,
    });
    try {
      const { addresses } = await this.#process(request.node).ipam.workloads.assign(request);
      pod.addresses = addresses.map(({ address }) => address);
      if (addresses.length !== 2) throw new Error(`${request.pod.name} got ${addresses.length} addresses`);
      this.#assigned++;
      return true;
    } catch (error) {
      this.#expectRefusal(error);
      return false;
    }
  }

  #expectRefusal(error: unknown) {
    if (error instanceof Error && error.name === "StoreCrash") return;
    if (!isIpamError(error)) throw error;
    this.#refused[error.code] = (this.#refused[error.code] ?? 0) + 1;
    if (!expectedRefusals.has(error.code)) throw error;
  }

  /** Who was told that an address is theirs, and has not given it back. */
  #holders(): Map<string, string> {
    const holders = new Map<string, string>();
    const hold = (address: string, holder: string) => {
      const other = holders.get(address);
      if (other !== undefined && other !== holder)
        throw new Error(`${address} was given to ${other} and to ${holder}`);
      holders.set(address, holder);
    };
    for (const { addresses, request } of this.#pods)
      for (const one of addresses ?? []) hold(one, request.pod.name);
    for (const { promised, name, active } of this.#vms.values())
      for (const one of [...(promised ?? []), ...(active?.addresses ?? [])]) hold(one, `VM ${name}`);
    return holders;
  }

  async #release(pod: SimulatedPod, vm?: { readonly vm: SimulatedVm; readonly deleting: boolean }) {
    this.#exists.delete(pod.request.pod.name);
    pod.addresses = undefined;
    const { vm: identity, ...request } = pod.request;
    const leaving: WorkloadRelease = {
      ...request,
      ...(identity ? { vm: { ...identity, deleting: vm?.deleting ?? false } } : {}),
    };
    // The runtime gives up at some point; then collection has to clean.
    for (let attempt = 0; attempt < 3; attempt++) {
      try {
        await this.#process(pod.node).ipam.workloads.release(leaving);
        return;
      } catch (error) {
        this.#expectRefusal(error);
        if (this.#random() < 0.2) return;
      }
    }
  }

  async #startPod() {
    const request = this.#request("pod-");
    const pod = { request, node: request.node, addresses: undefined };
    if (await this.#assign(request, pod)) this.#pods.add(pod);
    else await this.#release(pod);
    this.#holders();
  }

  async #stopPod(pod: SimulatedPod | undefined) {
    if (!pod) return;
    this.#pods.delete(pod);
    await this.#release(pod);
  }

  async #startVm() {
    const stopped = [...this.#vms.values()].filter(({ active, target }) => !active && !target);
    let vm = this.#random() < 0.6 ? this.#pick(stopped) : undefined;
    if (!vm && this.#vms.size < 6) {
      const name = this.#pick(["v0", "v1", "v2", "v3", "v4", "v5"].filter((one) => !this.#vms.has(one)))!;
      vm = {
        name,
        uid: `${name}-${++this.#created}`,
        active: undefined,
        target: undefined,
        promised: undefined,
        past: [],
      };
      this.#vms.set(name, vm);
    }
    if (!vm) return;
    const request = this.#request("virt-launcher-", {
      vm: { name: vm.name, vmUid: vm.uid, vmiUid: `i${this.#created}`, role: "active" },
    });
    const pod: SimulatedPod = { request, node: request.node, addresses: undefined };
    if (!(await this.#assign(request, pod))) return this.#release(pod, { vm, deleting: false });
    vm.active = pod;
    if (this.#persistent) this.#promise(vm, pod);
    this.#holders();
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
    const request = this.#request("virt-launcher-", {
      vm: { ...identity, role: "target", migrationUid: `m${this.#created}` },
    });
    const pod: SimulatedPod = { request, node: request.node, addresses: undefined };
    if (!(await this.#assign(request, pod))) return this.#release(pod, { vm, deleting: false });
    this.#promise(vm, pod);
    vm.target = pod;
    this.#holders();
  }

  async #endMigration(vm: SimulatedVm | undefined, success: boolean) {
    if (!vm?.active || !vm.target) return;
    const { active: source, target } = vm;
    if (success) {
      try {
        await this.#process(target.node).ipam.workloads.promote({
          network: "net",
          vm: { namespace: "ns", name: vm.name },
          pod: target.request.pod,
        });
      } catch (error) {
        // Tried again later.
        return this.#expectRefusal(error);
      }
      vm.active = target;
      vm.target = undefined;
      vm.past.push(source);
      this.#migrated++;
      await this.#release(source, { vm, deleting: false });
    } else {
      vm.target = undefined;
      vm.past.push(target);
      await this.#release(target, { vm, deleting: false });
    }
  }

  async #stopVm(vm: SimulatedVm | undefined, forGood: boolean) {
    if (!vm) return;
    const { active, target } = vm;
    vm.active = undefined;
    vm.target = undefined;
    if (forGood) {
      this.#vms.delete(vm.name);
      vm.promised = undefined;
    }
    if (!this.#persistent) vm.promised = undefined;
    for (const pod of [target, active]) {
      if (!pod) continue;
      vm.past.push(pod);
      await this.#release(pod, { vm, deleting: forGood });
    }
  }

  /** An old pod's ADD comes again. It must not become an owner while a newer pod is one. */
  async #lateRetry(vm: SimulatedVm | undefined) {
    const old = this.#pick(vm?.past ?? []);
    if (!vm?.active || !vm.promised || vm.promised !== vm.active.addresses || !old || !this.#persistent)
      return;
    try {
      await this.#process(old.node).ipam.workloads.assign(old.request);
      throw new Error(`old pod ${old.request.pod.name} got the address of VM ${vm.name}`);
    } catch (error) {
      this.#expectRefusal(error);
    }
  }

  async #collect() {
    const { released } = await this.#collector.scan();
    const holders = this.#holders();
    for (const { address, why } of released)
      if (holders.has(address))
        throw new Error(`${address} of ${holders.get(address)} was collected: ${why}`);
    this.#collected += released.length;
    this.#monotonic += this.#random() * 20 * minute;
    if (!this.#persistent) for (const vm of this.#vms.values()) if (!vm.active) vm.promised = undefined;
  }

  async #togglePool() {
    const pool = this.#pick(await this.#store.list("IPPool"))!;
    const disabled = !pool.spec.disabled && this.#random() < 0.5;
    await this.#store.replace("IPPool", { ...pool, spec: { ...pool.spec, disabled } });
  }

  /** VMs that run while it is switched on again have ordinary addresses until they are restarted. */
  async #togglePersistence() {
    this.#persistent = !this.#persistent;
    await this.#boot(this.#store).configure({
      kubeVirtVMAddressPersistence: this.#persistent ? "Enabled" : "Disabled",
    });
    if (!this.#persistent) for (const vm of this.#vms.values()) if (!vm.active) vm.promised = undefined;
  }

  /** Everything that was promised is still allocated; nothing contradicts itself. */
  async verify(settled = false) {
    const violations = await findViolations(this.#store, { settled });
    if (violations.length > 0) throw new Error(violations.join("; "));
    const ipam = this.#boot(this.#store);
    for (const [address, holder] of this.#holders())
      if (!(await ipam.show(address)).inUse)
        throw new Error(`${address} of ${holder} is not allocated any more`);
  }

  /** Stops everything: after collection every address must be free again. */
  async settle() {
    this.#crashIn = 0;
    await this.verify();
    for (const pod of [...this.#pods]) await this.#stopPod(pod);
    for (const vm of [...this.#vms.values()]) await this.#stopVm(vm, true);
    for (let round = 0; round < 4; round++) {
      await this.#collector.scan();
      this.#monotonic += 20 * minute;
    }
    await this.verify(true);
    const left = (await this.#store.list("IPAMBlock")).flatMap(({ spec }) => spec.attributes);
    const handles = await this.#store.list("IPAMHandle");
    if (left.length > 0 || handles.length > 0)
      throw new Error(`left behind: ${JSON.stringify([left, handles])}`);
  }
}

const expectedRefusals: ReadonlySet<string> = new Set([
  "AddressesExhausted",
  "BlockLimit",
  "NoPools",
  "NoQualifiedPool",
  "OwnedByNewerPod",
  "OwnerUndecided",
  "NoAddressForTarget",
  "PersistenceDisabled",
  "PreviousVmPresent",
  "HandleNotFound",
  "AlternateOwnerEmpty",
  "AlternateOwnerMismatch",
]);
