import { type ApiClient, kinds, type OwnerReference } from "@fairlead/api";
import type { RuntimePod } from "./agent-process.fixture.ts";

const apiVersion = "kubevirt.io/v1";
const namespace = "default";
/** Keeps an object that is being deleted, as KubeVirt's do. */
const finalizers = ["fairlead.dev/test"];

/** One VM in a real API server, with the objects that KubeVirt would write. */
export class LaunchedMachine {
  readonly name: string;
  readonly #client: ApiClient;
  readonly #isStandalone: boolean;
  #launched = 0;
  vmUid: string | undefined;
  vmiUid = "";

  private constructor(client: ApiClient, name: string, isStandalone: boolean) {
    this.#client = client;
    this.name = name;
    this.#isStandalone = isStandalone;
  }

  /** A VM with its VMI, or (`standalone`) a VMI that no VM owns. */
  static async create(
    client: ApiClient,
    name: string,
    { standalone = false } = {},
  ): Promise<LaunchedMachine> {
    const machine = new LaunchedMachine(client, name, standalone);
    if (!standalone) {
      const created = await client.create(kinds.VirtualMachine, {
        metadata: { name, namespace, finalizers },
        spec: {},
      });
      machine.vmUid = created.metadata.uid;
    }
    await machine.#createInstance();
    return machine;
  }

  get #ref() {
    return { namespace, name: this.name };
  }

  async #createInstance(): Promise<void> {
    const owners = this.#isStandalone ? [] : [reference("VirtualMachine", this.name, this.vmUid)];
    const { metadata } = await this.#client.create(kinds.VirtualMachineInstance, {
      metadata: { ...this.#ref, finalizers, ownerReferences: owners },
      spec: { domain: { devices: {} } },
      status: { phase: "Running", activePods: {} },
    });
    this.vmiUid = metadata.uid ?? "";
  }

  /** A launcher pod on a node; the target of a new migration if asked. */
  async launch(nodeName: string, { target = false } = {}): Promise<RuntimePod & { migration?: string }> {
    const name = `virt-launcher-${this.name}-${++this.#launched}`;
    const migration = target
      ? await this.#client.create(kinds.VirtualMachineInstanceMigration, {
          metadata: { name: `${name}-move`, namespace },
          spec: { vmiName: this.name },
        })
      : undefined;
    const uid = migration?.metadata.uid;
    const { metadata } = await this.#client.create(kinds.Pod, {
      metadata: {
        name,
        namespace,
        ownerReferences: [reference("VirtualMachineInstance", this.name, this.vmiUid)],
        labels: { "kubevirt.io": "virt-launcher", ...(uid && { "kubevirt.io/migrationJobUID": uid }) },
        annotations: migration ? { "kubevirt.io/migrationJobName": migration.metadata.name } : {},
      },
      spec: { nodeName, containers: [{ name: "compute", image: "launcher" }] },
    });
    await this.#patchInstance({ status: { activePods: { [metadata.uid ?? ""]: nodeName } } });
    return { namespace, name, uid: metadata.uid ?? "", ...(uid && { migration: uid }) };
  }

  async #patchInstance(body: object): Promise<void> {
    await this.#client.patch(kinds.VirtualMachineInstance, this.#ref, body, { type: "merge" });
  }

  /** The pod object disappears. */
  async removePod({ name }: RuntimePod): Promise<void> {
    await this.#client.delete(kinds.Pod, { namespace, name }, { gracePeriodSeconds: 0 });
  }

  /** The VM has a deletion timestamp and is still there. */
  async deleteMachine(): Promise<void> {
    await this.#client.delete(kinds.VirtualMachine, this.#ref);
  }

  /** The VMI has a deletion timestamp and is still there. */
  async deleteInstance(): Promise<void> {
    await this.#client.delete(kinds.VirtualMachineInstance, this.#ref);
  }

  /** The VMI is gone. */
  async removeInstance(): Promise<void> {
    await this.deleteInstance();
    await this.#patchInstance({ metadata: { finalizers: null } });
  }

  /** The VM was started anew: a VMI of the same name and another UID. */
  async recreateInstance(): Promise<void> {
    await this.removeInstance();
    await this.#createInstance();
  }
}

const reference = (kind: string, name: string, uid: string | undefined): OwnerReference => ({
  apiVersion,
  kind,
  name,
  uid: uid ?? "",
  controller: true,
});
