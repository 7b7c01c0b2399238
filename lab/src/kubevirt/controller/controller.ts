import {
  type ApiClient,
  type ClusterView,
  controllerOf,
  getIfPresent,
  type KubernetesObject,
  keyOf,
  kinds,
  listAll,
  type ObjectRef,
  type Pod,
  type VirtualMachineInstance,
  type VirtualMachineInstanceMigration,
} from "@fairlead/api";
import { Ages } from "../ages.ts";
import type { Daemon } from "../daemon.ts";
import type { MigrationLimits } from "../migration-monitor.ts";
import { labels } from "../names.ts";
import { type Reconciler, startReconciler } from "../reconciler.ts";
import { timestamp } from "../status.ts";
import type { Decision } from "./decision.ts";
import { decideEvacuation } from "./evacuation.ts";
import { decideMigration } from "./migration.ts";
import { decideVm } from "./vm.ts";
import { decideVmi } from "./vmi.ts";
import { perform } from "./writer.ts";

/** What the controller's view has to watch. */
export const controllerKinds = [
  kinds.VirtualMachine,
  kinds.VirtualMachineInstance,
  kinds.VirtualMachineInstanceMigration,
  kinds.Pod,
  kinds.KubeVirt,
];

export interface ControllerOptions {
  readonly client: ApiClient;
  readonly view: ClusterView;
  readonly log: (message: string) => void;
}

/**
 * virt-controller. The view only says where to look; what is decided on is read from the API server at that moment, so
 * that no decision rests on a state before our own last write.
 */
export function startVirtController(options: ControllerOptions): Daemon {
  const { client, view, log } = options;
  const ages = new Ages();
  const carryOut = async ({ writes, again }: Decision) => {
    await perform(client, writes, "virt-controller");
    return again;
  };
  const vms = startReconciler({
    name: "VM",
    log,
    reconcile: async (key) => {
      const vm = await getIfPresent(client, kinds.VirtualMachine, refFrom(key));
      if (vm === undefined) return undefined;
      const vmi = await getIfPresent(client, kinds.VirtualMachineInstance, refFrom(key));
      const ours = vmi && controllerOf(vmi)?.uid === vm.metadata.uid ? vmi : undefined;
      return carryOut(decideVm({ vm, vmi: ours }));
    },
  });
  const vmis = startReconciler({
    name: "VMI",
    log,
    reconcile: async (key) => {
      const vmi = await getIfPresent(client, kinds.VirtualMachineInstance, refFrom(key));
      if (vmi === undefined) return undefined;
      const nowMs = Date.now();
      const again = await carryOut(
        decideVmi({
          vmi,
          pods: await podsOf(client, vmi),
          now: timestamp(nowMs),
          ageOf: (thing) => ages.of(thing),
        }),
      );
      if (!vmi.status?.evacuationNodeName) return again;
      const { items: all } = await listAll(client, kinds.VirtualMachineInstanceMigration);
      return (await carryOut(decideEvacuation({ vmi, all, nowMs }))) ?? again;
    },
  });
  const migrations = startReconciler({
    name: "migration",
    log,
    reconcile: async (key) => {
      const { items: all } = await listAll(client, kinds.VirtualMachineInstanceMigration);
      const migration = all.find((item) => keyOf(refTo(item)) === key);
      if (migration === undefined) return undefined;
      const ref = { name: migration.spec.vmiName ?? "", namespace: migration.metadata.namespace };
      const vmi = await getIfPresent(client, kinds.VirtualMachineInstance, ref);
      const pods = vmi ? await podsOf(client, vmi) : [];
      const sourceNodeOf = (other: VirtualMachineInstanceMigration) =>
        view.get(kinds.VirtualMachineInstance, {
          name: other.spec.vmiName ?? "",
          namespace: other.metadata.namespace,
        })?.status?.nodeName;
      const nowMs = Date.now();
      return carryOut(
        decideMigration({
          migration,
          vmi,
          pods,
          all,
          sourceNodeOf,
          configuration: migrationSettings(view),
          now: timestamp(nowMs),
          nowMs,
        }),
      );
    },
  });
  const subscriptions = [
    ...wire(view, vms, vmis, migrations),
    view.subscribe(kinds.Pod, ({ type, object }) => {
      if (type === "deleted") ages.forget(object.metadata.uid!);
    }),
  ];
  const reconcilers = [vms, vmis, migrations];
  return {
    pause: () => {
      const pauses = new DisposableStack();
      for (const reconciler of reconcilers) pauses.use(reconciler.pause());
      return pauses;
    },
    stop: async () => {
      for (const subscription of subscriptions) subscription[Symbol.dispose]();
      await Promise.all(reconcilers.map((reconciler) => reconciler.stop()));
    },
  };
}

/** Who has to look when something changes: the object itself, its owner, and the migrations of its VMI. */
function wire(view: ClusterView, vms: Reconciler, vmis: Reconciler, migrations: Reconciler): Disposable[] {
  const vmiChanged = (namespace: string | undefined, name: string) => {
    const key = keyOf({ name, namespace });
    vms.enqueue(key);
    vmis.enqueue(key);
    for (const migration of view.list(kinds.VirtualMachineInstanceMigration, { namespace })) {
      if (migration.spec.vmiName === name) migrations.enqueue(keyOf(refTo(migration)));
    }
  };
  return [
    view.subscribe(kinds.VirtualMachine, ({ object }) => vms.enqueue(keyOf(refTo(object)))),
    view.subscribe(kinds.VirtualMachineInstance, ({ object }) =>
      vmiChanged(object.metadata.namespace, object.metadata.name),
    ),
    view.subscribe(kinds.Pod, ({ object }) => {
      const owner = controllerOf(object);
      if (owner?.kind === "VirtualMachineInstance") vmiChanged(object.metadata.namespace, owner.name);
    }),
    view.subscribe(kinds.VirtualMachineInstanceMigration, ({ object }) =>
      vmiChanged(object.metadata.namespace, object.spec.vmiName ?? ""),
    ),
    view.subscribe(kinds.VirtualMachineInstanceMigration, ({ object }) =>
      migrations.enqueue(keyOf(refTo(object))),
    ),
  ];
}

/** What the cluster's KubeVirt object says of migrations. */
function migrationSettings(view: ClusterView): Partial<MigrationLimits> | undefined {
  const configuration = view.list(kinds.KubeVirt)[0]?.spec?.configuration as
    | { readonly migrations?: Partial<MigrationLimits> }
    | undefined;
  return configuration?.migrations;
}

async function podsOf(client: ApiClient, vmi: VirtualMachineInstance): Promise<Pod[]> {
  const labelSelector = `${labels.createdBy}=${vmi.metadata.uid}`;
  const { items } = await listAll(client, kinds.Pod, { namespace: vmi.metadata.namespace, labelSelector });
  return items.filter((pod) => controllerOf(pod)?.uid === vmi.metadata.uid);
}

function refFrom(key: string): ObjectRef {
  const [namespace, name] = key.split("/");
  return { namespace, name: name! };
}

const refTo = (object: KubernetesObject): ObjectRef => ({
  name: object.metadata.name,
  namespace: object.metadata.namespace,
});
