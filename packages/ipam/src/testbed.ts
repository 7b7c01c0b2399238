import type { ClusterFacts, PodFact, VmFact, VmiFact } from "./facts.ts";
import type { ClusterInventory } from "./inventory.ts";
import { createIpam, type Ipam, type IpamOptions } from "./ipam.ts";
import { createMemoryStore, type MemoryStore } from "./memory-store.ts";
import { blockName } from "./names.ts";
import type { IPPoolSpec } from "./resources.ts";
import type { SettingsSource } from "./settings.ts";
import type {
  PromoteRequest,
  WorkloadAssignment,
  WorkloadRelease,
  WorkloadRequest,
} from "./workload-types.ts";

/** A cluster on a table: a store, a clock, and what exists. For tests. */
export class Testbed {
  wall = Date.parse("2026-01-01T00:00:00Z");
  readonly store: MemoryStore = createMemoryStore(() => new Date(this.wall));
  readonly pods = new Map<string, PodFact>();
  readonly vms = new Map<string, VmFact>();
  readonly vmis = new Map<string, VmiFact>();
  /** Each VM runs as long as it exists, unless `vmis` says otherwise. */
  readonly #runs = new Map<string, VmiFact>();
  readonly nodes = new Set(["node-1", "node-2", "node-3"]);
  #created = 0;

  readonly facts: ClusterFacts = {
    pod: async (namespace, name) => this.pods.get(`${namespace}/${name}`),
    vm: async (namespace, name) => this.vms.get(`${namespace}/${name}`),
    vmi: async (namespace, name) => this.#vmi(`${namespace}/${name}`),
    node: async (name) => (this.nodes.has(name) ? { labels: {} } : undefined),
  };

  constructor(...pools: readonly (string | IPPoolSpec)[]) {
    for (const pool of pools.length > 0 ? pools : ["10.0.0.0/24", "fd00::/112"]) {
      const spec = typeof pool === "string" ? { cidr: pool } : pool;
      this.store.load("IPPool", { metadata: { name: blockName(spec.cidr) }, spec });
    }
  }

  /** A process with a memory of its own. */
  boot(options: Partial<IpamOptions> = {}): Ipam {
    return createIpam({
      store: this.store,
      clock: () => new Date(this.wall),
      wait: async () => {},
      random: () => 0,
      settingsMaxAgeMs: 0,
      inventory: async () => this.inventory(),
      ...options,
    });
  }

  /** What exists, all at once. */
  inventory(): ClusterInventory {
    const named = <T>(facts: ReadonlyMap<string, T>) =>
      [...facts].map(([key, fact]) => {
        const [namespace = "", name = ""] = key.split("/");
        return { namespace, name, ...fact };
      });
    return {
      pods: named(this.pods),
      nodes: [...this.nodes].map((name) => ({ name, labels: {}, tunnelAddresses: [] })),
      vms: named(this.vms),
      vmis: named(this.vmis),
    };
  }

  /** A pod that exists from now on, created a second after the one before. */
  pod(node: string, more: Partial<WorkloadRequest> = {}): WorkloadRequest {
    const n = ++this.#created;
    const name = `${more.vm ? "virt-launcher-" : "pod-"}${n}`;
    const created = new Date(Date.parse("2026-01-01T00:00:00Z") + n * 1000).toISOString();
    const request: WorkloadRequest = {
      network: "net1",
      containerId: `container-${n}`,
      node,
      pod: { namespace: "default", name, uid: `uid-${n}`, creationTimestamp: created },
      families: [4, 6],
      ...more,
    };
    this.pods.set(`${request.pod.namespace}/${request.pod.name}`, {
      uid: request.pod.uid,
      node,
      phase: "Running",
      addresses: [],
      deleting: false,
    });
    return request;
  }

  /** A VM that exists from now on. */
  vm(name: string, { uid = `vm-${name}`, vmiUid = `vmi-${name}` } = {}) {
    this.vms.set(`default/${name}`, { uid, deleting: false });
    this.#runs.set(`default/${name}`, { uid: vmiUid, ownerUid: uid, deleting: false });
    const identity = { name, vmUid: uid, vmiUid };
    return {
      active: { ...identity, role: "active" },
      target: { ...identity, role: "target", migrationUid: "mig" },
    } as const;
  }

  #vmi(key: string): VmiFact | undefined {
    return this.vmis.get(key) ?? (this.vms.has(key) ? this.#runs.get(key) : undefined);
  }

  /** KubeVirt says so from now on. */
  guestRunsIn(name: string, { pod }: WorkloadRequest) {
    const known = this.#vmi(`default/${name}`)!;
    const revision = String(Number(known.revision ?? 10) + 10);
    this.vmis.set(`default/${name}`, { ...known, guestPod: pod.name, revision });
  }

  /** What the agent of a pod's node asks when the guest has arrived there. */
  promotion(name: string, { network, pod, node, containerId }: WorkloadRequest): PromoteRequest {
    return { network, vm: { namespace: "default", name }, pod, node, containerId };
  }

  /** Settings as an agent has them, without a request. */
  readonly settings: SettingsSource = {
    read: async () => ({
      pools: await this.store.list("IPPool"),
      reservations: await this.store.list("IPReservation"),
      configuration: await this.store.get("IPAMConfiguration", "default"),
    }),
  };

  async setPool(cidr: string, change: Partial<IPPoolSpec>) {
    const pool = (await this.store.get("IPPool", blockName(cidr)))!;
    await this.store.replace("IPPool", { ...pool, spec: { ...pool.spec, ...change } });
  }
}

export const texts = ({ addresses }: Pick<WorkloadAssignment, "addresses">): string[] =>
  addresses.map(({ address }) => address);

/** The DEL of a pod. */
export function del({ vm, ...request }: WorkloadRequest, deleting = false): WorkloadRelease {
  return { ...request, ...(vm ? { vm: { ...vm, deleting } } : {}) };
}
