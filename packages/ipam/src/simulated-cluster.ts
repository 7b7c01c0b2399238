import { isIpamError } from "./errors.ts";
import type { ClusterFacts, PodFact } from "./facts.ts";
import { createFaultyStore, type FaultyStore } from "./faulty-store.ts";
import { createIpam, type Ipam } from "./ipam.ts";
import { createMemoryStore } from "./memory-store.ts";
import { seeded } from "./random.ts";
import { findViolations } from "./violations.ts";
import type { GuestFact, WorkloadRelease, WorkloadRequest } from "./workload-types.ts";

export interface SimulatedPod {
  readonly request: WorkloadRequest;
  readonly node: string;
  /** What its ADD answered; undefined while unknown or failed. */
  addresses: readonly string[] | undefined;
}

/** A VM and what KubeVirt says of it. */
export interface SimulatedVm {
  readonly name: string;
  readonly uid: string;
  /** UID of its present run; undefined while it is stopped. */
  vmiUid: string | undefined;
  /** The pod in which the guest runs. */
  guest: SimulatedPod | undefined;
  /** A migration's target in which the guest is not yet. */
  target: SimulatedPod | undefined;
  /** What KubeVirt has said of the guest's place in this run, oldest first. */
  said: GuestFact[];
  /** Promised to it for life; undefined when it has none it could count on. */
  promised: readonly string[] | undefined;
  /** Pods the guest has left or never came to; their DEL may still be to come. */
  readonly past: SimulatedPod[];
}

/** What a random history did, and what it broke. */
export interface SimulationResult {
  readonly steps: number;
  readonly assigned: number;
  readonly migrated: number;
  readonly crashes: number;
  /** Calls that failed, were refused, lost their answer or met a conflict. */
  readonly faults: number;
  readonly collected: number;
  /** How often each kind of step was taken. */
  readonly taken: Readonly<Record<string, number>>;
  /** Refusals by code: expected when a pool is full or disabled, or an old pod comes back. */
  readonly refused: Readonly<Record<string, number>>;
}

/** Nodes with address managers that may die at any call, a store, clocks that jump, and a record of what everybody was told. */
export class SimulatedCluster {
  steps = 0;
  readonly random: () => number;
  wall = Date.parse("2026-01-01T00:00:00Z");
  monotonic = 0;
  created = 0;
  readonly store = createMemoryStore();
  readonly nodes = ["n0", "n1", "n2", "n3"];
  readonly processes = new Map<string, { readonly ipam: Ipam; readonly store: FaultyStore }>();
  /** How many calls are to go well before the next fault; 0: no fault is due. */
  faultIn = 0;
  readonly pods = new Set<SimulatedPod>();
  readonly vms = new Map<string, SimulatedVm>();
  readonly exists = new Map<string, PodFact>();
  persistent = true;
  readonly collector;
  assigned = 0;
  migrated = 0;
  crashes = 0;
  faults = 0;
  collected = 0;
  readonly taken: Record<string, number> = {};
  readonly refused: Record<string, number> = {};

  constructor(seed: number) {
    this.random = seeded(seed);
    const load = (name: string, cidr: string, blockSize: number) =>
      this.store.load("IPPool", { metadata: { name }, spec: { cidr, blockSize } });
    load("a4", "10.0.0.0/28", 30);
    load("b4", "10.0.1.0/28", 29);
    load("a6", "fd00::/124", 126);
    load("b6", "fd01::/124", 125);
    this.collector = this.boot(this.store).collector({
      facts: this.facts,
      monotonic: () => this.monotonic,
    });
  }

  get result(): SimulationResult {
    return {
      steps: this.steps,
      assigned: this.assigned,
      migrated: this.migrated,
      crashes: this.crashes,
      faults: this.faults,
      taken: this.taken,
      collected: this.collected,
      refused: this.refused,
    };
  }

  readonly facts: ClusterFacts = {
    pod: async (_, name) => this.exists.get(name),
    vm: async (_, name) => {
      const vm = this.vms.get(name);
      return vm && { uid: vm.uid, deleting: false };
    },
    vmi: async (_, name) => {
      const vm = this.vms.get(name);
      if (!vm?.vmiUid) return undefined;
      const pods = [vm.guest, vm.target, ...vm.past].filter(
        (pod) => pod && this.exists.has(pod.request.pod.name),
      );
      const { pod: guestPod, revision } = vm.said.at(-1)!;
      return {
        uid: vm.vmiUid,
        ownerUid: vm.uid,
        deleting: false,
        guestPod,
        revision,
        activePods: pods.map((pod) => pod!.request.pod.uid),
      };
    },
    node: async () => ({ labels: {} }),
  };

  boot(store: FaultyStore | ReturnType<typeof createMemoryStore>): Ipam {
    return createIpam({
      store,
      clock: () => new Date(this.wall),
      random: this.random,
      wait: async () => {},
      settingsMaxAgeMs: 0,
      facts: this.facts,
    });
  }

  process(node: string) {
    let process = this.processes.get(node);
    if (!process || process.store.crashed) {
      const store = createFaultyStore(this.store, {
        fault: () => {
          if (this.faultIn === 0 || --this.faultIn > 0) return undefined;
          const fault = this.pick([
            "crash before",
            "crash after",
            "lose",
            "conflict",
            "fail",
            "refuse",
          ] as const)!;
          if (fault.startsWith("crash")) this.crashes++;
          else this.faults++;
          return fault;
        },
      });
      process = { store, ipam: this.boot(store) };
      this.processes.set(node, process);
    }
    return process;
  }

  pick<T>(items: Iterable<T>): T | undefined {
    const list = [...items];
    return list[Math.floor(this.random() * list.length)];
  }

  request(prefix: string, more: Partial<WorkloadRequest> = {}): WorkloadRequest {
    const n = ++this.created;
    const name = `${prefix}${n}`;
    return {
      network: "net",
      containerId: `c${n}`,
      node: this.pick(this.nodes)!,
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

  async assign(request: WorkloadRequest, pod: SimulatedPod): Promise<boolean> {
    this.exists.set(request.pod.name, {
      uid: request.pod.uid,
      node: request.node,
      phase: "Running",
      addresses: [],
      deleting: false,
    });
    try {
      const { addresses } = await this.process(request.node).ipam.workloads.assign(request);
      pod.addresses = addresses.map(({ address }) => address);
      if (addresses.length !== 2) throw new Error(`${request.pod.name} got ${addresses.length} addresses`);
      this.assigned++;
      return true;
    } catch (error) {
      this.expectRefusal(error);
      return false;
    }
  }

  expectRefusal(error: unknown) {
    if (error instanceof Error && error.name === "StoreCrash") return;
    if (!isIpamError(error)) throw error;
    this.refused[error.code] = (this.refused[error.code] ?? 0) + 1;
    if (!expectedRefusals.has(error.code)) throw error;
  }

  /** Who was told that an address is theirs, and has not given it back. */
  holders(): Map<string, string> {
    const holders = new Map<string, string>();
    const hold = (address: string, holder: string) => {
      const other = holders.get(address);
      if (other !== undefined && other !== holder)
        throw new Error(`${address} was given to ${other} and to ${holder}`);
      holders.set(address, holder);
    };
    for (const { addresses, request } of this.pods)
      for (const one of addresses ?? []) hold(one, request.pod.name);
    for (const { promised, name, guest, target } of this.vms.values())
      for (const pod of [{ addresses: promised }, guest, target])
        for (const one of pod?.addresses ?? []) hold(one, `VM ${name}`);
    return holders;
  }

  /** The runtime's DEL, sent again until it succeeds or the runtime gives up; then collection has to clean. */
  async release(
    { request, node }: SimulatedPod,
    vm?: { readonly vm: SimulatedVm; readonly deleting: boolean },
  ): Promise<void> {
    const { vm: identity, ...rest } = request;
    for (let attempt = 0; attempt < 3; attempt++) {
      // The agent reads KubeVirt's word anew for each.
      const guest = vm?.vm.vmiUid === identity?.vmiUid ? vm?.vm.said.at(-1) : undefined;
      const leaving: WorkloadRelease = {
        ...rest,
        ...(identity ? { vm: { ...identity, guest, deleting: vm?.deleting ?? false } } : {}),
      };
      try {
        await this.process(node).ipam.workloads.release(leaving);
        if (this.random() < 0.8) return;
      } catch (error) {
        this.expectRefusal(error);
        if (this.random() < 0.2) return;
      }
    }
  }

  /** Everything that was promised is still allocated; nothing contradicts itself. */
  async verify(settled = false) {
    const violations = await findViolations(this.store, { settled });
    if (violations.length > 0) throw new Error(violations.join("; "));
    const ipam = this.boot(this.store);
    for (const [address, holder] of this.holders())
      if (!(await ipam.show(address)).inUse)
        throw new Error(`${address} of ${holder} is not allocated any more`);
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
  "GuestElsewhere",
  "RequestInvalid",
  "DatastoreUnavailable",
  "DatastoreRefused",
]);
