import { kinds } from "@fairlead/api";
import type { FakeCluster } from "@fairlead/api/fake";

const time = (second: number) => new Date(Date.parse("2026-01-01T00:00:00Z") + second * 1000).toISOString();

/** KubeVirt's objects of one VM, written as KubeVirt writes them. */
export class VirtualMachineObjects {
  readonly #cluster: FakeCluster;
  readonly #name: string;
  readonly mac: string;
  #nodeName: string | undefined;
  #activePods: Record<string, string> = {};
  #migrationState: Record<string, unknown> | undefined;

  constructor(cluster: FakeCluster, name: string, mac: string) {
    this.#cluster = cluster;
    this.#name = name;
    this.mac = mac;
    const metadata = { name, namespace: "default", uid: `vm-${name}` };
    cluster.put(kinds.VirtualMachine, {
      apiVersion: "kubevirt.io/v1",
      kind: "VirtualMachine",
      metadata,
      spec: {},
    });
    this.#write();
  }

  /** A launcher pod bound to a node; of a migration if one is named. */
  pod(pod: string, node: string, migration?: string): void {
    const owner = {
      apiVersion: "kubevirt.io/v1",
      kind: "VirtualMachineInstance",
      name: this.#name,
      uid: `vmi-${this.#name}`,
      controller: true,
    };
    putPod(this.#cluster, pod, node, {
      labels: {
        "kubevirt.io": "virt-launcher",
        ...(migration && { "kubevirt.io/migrationJobUID": `uid-${migration}` }),
      },
      annotations: migration ? { "kubevirt.io/migrationJobName": migration } : {},
      ownerReferences: [owner],
    });
    this.#activePods = { ...this.#activePods, [`uid-${pod}`]: node };
    this.#write();
  }

  runsOn(node: string): void {
    this.#nodeName = node;
    this.#write();
  }

  /** A migration object in a phase. */
  migration(name: string, phase: string, second = 10): void {
    const metadata = { name, namespace: "default", uid: `uid-${name}`, creationTimestamp: time(second) };
    const spec = { vmiName: this.#name };
    this.#cluster.put(kinds.VirtualMachineInstanceMigration, {
      apiVersion: "kubevirt.io/v1",
      kind: "VirtualMachineInstanceMigration",
      metadata,
      spec,
      status: { phase },
    });
  }

  /** The hand-off, and later its end. */
  handOff(
    name: string,
    source: [pod: string, node: string],
    target: [pod: string, node: string],
    more: object = {},
  ): void {
    const [sourcePod, sourceNode] = source;
    const [targetPod, targetNode] = target;
    this.#migrationState = {
      migrationUid: `uid-${name}`,
      sourcePod,
      sourceNode,
      targetPod,
      targetNode,
      startTimestamp: time(12),
      ...more,
    };
    this.#write();
  }

  #write(): void {
    const { apiVersion, kind } = { apiVersion: "kubevirt.io/v1", kind: "VirtualMachineInstance" };
    const owner = {
      apiVersion,
      kind: "VirtualMachine",
      name: this.#name,
      uid: `vm-${this.#name}`,
      controller: true,
    };
    this.#cluster.put(kinds.VirtualMachineInstance, {
      apiVersion,
      kind,
      metadata: {
        name: this.#name,
        namespace: "default",
        uid: `vmi-${this.#name}`,
        ownerReferences: [owner],
      },
      spec: {
        domain: { devices: { interfaces: [{ name: "default", bridge: {}, macAddress: this.mac }] } },
        networks: [{ name: "default", pod: {} }],
      },
      status: {
        phase: "Running",
        ...(this.#nodeName && { nodeName: this.#nodeName }),
        activePods: this.#activePods,
        ...(this.#migrationState && { migrationState: this.#migrationState }),
      },
    });
  }
}

/** A pod bound to a node. */
export function putPod(cluster: FakeCluster, name: string, node: string, metadata: object = {}): void {
  cluster.put(kinds.Pod, {
    apiVersion: "v1",
    kind: "Pod",
    metadata: { name, namespace: "default", uid: `uid-${name}`, creationTimestamp: time(0), ...metadata },
    spec: { nodeName: node, containers: [{ name: "main" }] },
    status: { phase: "Running" },
  });
}
