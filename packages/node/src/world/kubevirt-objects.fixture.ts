import { isApiError, kinds, type Pod, type VirtualMachineInstance } from "@fairlead/api";
import type { ApiServer } from "./api-server.fixture.ts";
import type { Instance, Machine } from "./instance.fixture.ts";
import type { Migration } from "./migration-flow.fixture.ts";
import type { SimulatedPod } from "./pod.fixture.ts";

const namespace = "default";
const apiVersion = "kubevirt.io/v1";

/** Writes KubeVirt's objects as KubeVirt does. */
export class KubeVirtObjects {
  readonly #server: ApiServer;

  constructor(server: ApiServer) {
    this.#server = server;
  }

  /** Now, as Kubernetes writes it: whole seconds. */
  timestamp(): string {
    return `${new Date(this.#server.time.now).toISOString().slice(0, 19)}Z`;
  }

  machine({ name, uid }: Machine, isDeleting = false): void {
    this.#server.cluster.put(kinds.VirtualMachine, {
      metadata: {
        name,
        namespace,
        uid,
        finalizers: ["kubevirt.io/virtualMachineControllerFinalize"],
        ...(isDeleting && { deletionTimestamp: this.timestamp() }),
      },
      spec: { runStrategy: "Always" },
    });
  }

  newInstance(machine: Machine, uid: string): VirtualMachineInstance {
    const { name, isBare, hasOwnMac, mac } = machine;
    const owner = {
      apiVersion,
      kind: "VirtualMachine",
      name,
      uid: machine.uid ?? "",
      controller: true,
    };
    return {
      apiVersion,
      kind: "VirtualMachineInstance",
      metadata: {
        name,
        namespace,
        uid,
        creationTimestamp: this.timestamp(),
        finalizers: ["kubevirt.io/foregroundDeleteVirtualMachine"],
        ...(isBare ? {} : { ownerReferences: [owner] }),
      },
      spec: {
        domain: {
          devices: {
            interfaces: [{ name: "default", bridge: {}, ...(hasOwnMac && { macAddress: mac }) }],
          },
        },
        networks: [{ name: "default", pod: {} }],
      },
      status: { phase: "Pending", activePods: {} },
    };
  }

  /** One PUT of everything the VMI says. */
  write({ object, over }: Instance): void {
    if (!over.has) this.#server.cluster.put(kinds.VirtualMachineInstance, object);
  }

  /** A launcher pod, not bound to a node yet. */
  pod(instance: Instance, pod: SimulatedPod, migration?: Migration): void {
    const { name, namespace } = pod;
    const object = {
      metadata: {
        name,
        namespace,
        uid: pod.uid,
        creationTimestamp: this.timestamp(),
        labels: {
          "kubevirt.io": "virt-launcher",
          "kubevirt.io/created-by": instance.uid,
          ...(migration && { "kubevirt.io/migrationJobUID": migration.uid }),
        },
        annotations: migration ? { "kubevirt.io/migrationJobName": migration.name } : {},
        ownerReferences: [
          {
            apiVersion,
            kind: "VirtualMachineInstance",
            name: instance.machine.name,
            uid: instance.uid,
            controller: true,
          },
        ],
      },
      spec: { containers: [{ name: "compute" }] },
      status: { phase: "Pending" },
    } satisfies Partial<Pod>;
    this.#server.cluster.put(kinds.Pod, object);
  }

  /** An ordinary pod that is bound already. */
  ordinaryPod(pod: SimulatedPod): void {
    this.#server.cluster.put(kinds.Pod, {
      metadata: { ...pod.ref, uid: pod.uid, creationTimestamp: this.timestamp() },
      spec: { nodeName: pod.node?.name, containers: [{ name: "main" }] },
      status: { phase: "Pending" },
    });
  }

  bind(pod: SimulatedPod): boolean {
    return this.#ifThere(() =>
      this.#server.cluster.store.patch(
        kinds.Pod,
        pod.ref,
        { spec: { nodeName: pod.node?.name } },
        { type: "merge" },
      ),
    );
  }

  /** Asks for a pod's deletion. */
  deletePod(pod: SimulatedPod): void {
    this.#ifThere(() =>
      this.#server.cluster.store.delete(kinds.Pod, pod.ref, { preconditions: { uid: pod.uid } }),
    );
  }

  migration(migration: Migration): void {
    const { name, uid, phase, createdAt, status, isDeleting } = migration;
    this.#server.cluster.put(kinds.VirtualMachineInstanceMigration, {
      metadata: {
        name,
        namespace,
        uid,
        creationTimestamp: createdAt,
        finalizers: ["kubevirt.io/migrationJobFinalize"],
        ...(isDeleting && { deletionTimestamp: this.timestamp() }),
      },
      spec: { vmiName: migration.instance.machine.name },
      status: { ...status, phase },
    });
  }

  removeMachine(name: string): void {
    this.#remove(kinds.VirtualMachine, name);
  }

  removeInstance(name: string): void {
    this.#remove(kinds.VirtualMachineInstance, name);
  }

  removeMigration(name: string): void {
    this.#remove(kinds.VirtualMachineInstanceMigration, name);
  }

  /** The last finalizer goes, and with it the object. */
  #remove(
    kind: (typeof kinds)["VirtualMachine" | "VirtualMachineInstance" | "VirtualMachineInstanceMigration"],
    name: string,
  ): void {
    const { store } = this.#server.cluster;
    this.#ifThere(() => {
      const { finalizers: _, ...metadata } = store.get(kind, { namespace, name }).metadata;
      store.put(kind, { ...store.get(kind, { namespace, name }), metadata });
      store.delete(kind, { namespace, name });
    });
  }

  #ifThere(write: () => unknown): boolean {
    try {
      write();
      return true;
    } catch (error) {
      if (isApiError(error, "NotFound", "Conflict")) return false;
      throw error;
    }
  }
}
