import {
  type Change,
  type ClusterView,
  type KubernetesObject,
  kinds,
  type ResourceKind,
  viewIndex,
} from "@fairlead/api";
import type { Attachment } from "@fairlead/cni";
import { sightOf } from "@fairlead/kubevirt";
import { followCluster, type PolicyEngine, policyKinds } from "@fairlead/policy";
import { vmiOf } from "./facts.ts";
import type { MigrationInput } from "./migration.ts";
import { inputOf, isLeaving } from "./sighting.ts";

/** What BIRD's configuration is made of. */
const birdKinds = [
  kinds.Node,
  kinds.FelixConfiguration,
  kinds.IPPool,
  kinds.BGPConfiguration,
  kinds.BGPPeer,
  kinds.BGPFilter,
  kinds.BlockAffinity,
] as const;

type WatchedKind = ResourceKind<KubernetesObject, never>;

/** Every kind the agent watches, each once. */
export const watchedKinds: readonly WatchedKind[] = [
  ...new Set<WatchedKind>([
    ...policyKinds.map((name) => kinds[name]),
    ...birdKinds,
    kinds.VirtualMachineInstance,
    kinds.VirtualMachineInstanceMigration,
    kinds.IPAMConfiguration,
    kinds.IPReservation,
    kinds.Installation,
  ]),
];

export interface ClusterWatchOptions {
  readonly view: ClusterView;
  readonly policy: Pick<PolicyEngine, "objects">;
  /** The endpoints of this node. */
  endpoints(): readonly Attachment[];
  /** An endpoint's labels, MACs or named ports may have changed. */
  refresh(attachment: Attachment): void;
  tell(attachment: Attachment, input: MigrationInput): void;
  /** Whether a migration away from the endpoint is under way. */
  departing(attachment: Attachment, isLeaving: boolean): void;
  touchBird(): void;
}

const migrationsOfVmi = viewIndex(kinds.VirtualMachineInstanceMigration, ({ metadata, spec }) =>
  spec.vmiName ? [`${metadata.namespace}/${spec.vmiName}`] : [],
);

const podsOfVmi = viewIndex(kinds.Pod, ({ metadata }) => {
  const owner = metadata.ownerReferences?.find(({ controller }) => controller);
  return owner?.kind === "VirtualMachineInstance" ? [owner.uid] : [];
});

/**
 * Whether another pod of the endpoint's VM, on another node, still has its interface. ADD writes a pod's addresses into its annotations
 * and DEL empties them, after the routes are gone. Who may change the annotations keeps the VM's own routes elevated, nothing else.
 */
export function isWiredElsewhere(
  view: Pick<ClusterView, "byIndex">,
  nodeName: string,
  { pod: own, vm }: Attachment,
): boolean {
  if (!vm) return false;
  return view
    .byIndex(podsOfVmi, vm.vmiUid)
    .some(
      ({ metadata, spec }) =>
        metadata.uid !== own.uid &&
        metadata.namespace === own.namespace &&
        spec.nodeName !== nodeName &&
        Boolean(metadata.annotations?.["cni.projectcalico.org/podIP"]),
    );
}

export interface ClusterWatch extends Disposable {
  /** Tells the endpoint what the API says of its guest now. */
  look(attachment: Attachment): void;
}

/** Hands what changes in the cluster to those whom it concerns. */
export function watchCluster(options: ClusterWatchOptions): ClusterWatch {
  const { view, policy } = options;
  const subscriptions = new DisposableStack();

  function look(attachment: Attachment): void {
    const { vm, pod: wanted } = attachment;
    const vmi = vmiOf(view, attachment);
    const pod = view.get(kinds.Pod, { namespace: wanted.namespace, name: wanted.name });
    // What is not known moves nothing.
    if (!vm || !vmi || pod?.metadata.uid !== wanted.uid) return;
    const migrations = view.byIndex(migrationsOfVmi, `${wanted.namespace}/${vm.name}`);
    // What the pod was made for was proved by its ADD; whoever may edit pods can change the label since.
    const sight = sightOf({ pod, madeFor: attachment.migrationUid ?? "", vmi, migrations });
    options.departing(attachment, isLeaving(sight));
    const input = inputOf(sight);
    if (input) options.tell(attachment, input);
  }

  const follow = (kind: WatchedKind, handler: (change: Change<KubernetesObject>) => void) =>
    subscriptions.use(view.subscribe(kind, handler));

  subscriptions.use(followCluster(policy, view));

  for (const kind of birdKinds) follow(kind, () => options.touchBird());

  const concerning = (matches: (attachment: Attachment) => boolean) => options.endpoints().filter(matches);

  follow(kinds.Pod, ({ object }) => {
    const { namespace, name } = object.metadata;
    for (const endpoint of concerning(({ pod }) => pod.name === name && pod.namespace === namespace)) {
      look(endpoint);
      options.refresh(endpoint);
    }
  });
  follow(kinds.VirtualMachineInstance, ({ object }) => {
    const { namespace, name } = object.metadata;
    for (const endpoint of concerning(({ vm, pod }) => vm?.name === name && pod.namespace === namespace)) {
      look(endpoint);
      options.refresh(endpoint);
    }
  });
  subscriptions.use(
    view.subscribe(kinds.VirtualMachineInstanceMigration, ({ object }) => {
      const { namespace } = object.metadata;
      const { vmiName } = object.spec;
      for (const endpoint of concerning(({ vm, pod }) => vm?.name === vmiName && pod.namespace === namespace))
        look(endpoint);
    }),
  );

  return { look, [Symbol.dispose]: () => subscriptions.dispose() };
}
