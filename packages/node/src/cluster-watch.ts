import {
  type Change,
  type ClusterView,
  type KubernetesObject,
  kinds,
  type ResourceKind,
  viewIndex,
} from "@fairlead/api";
import type { Attachment } from "@fairlead/cni";
import { migrationsOnNode } from "@fairlead/kubevirt";
import { followCluster, type PolicyEngine, policyKinds } from "@fairlead/policy";
import { vmiOf } from "./facts.ts";
import type { MigrationInput } from "./migration.ts";
import { inputOf, isLeaving } from "./sighting.ts";

/** What BIRD's configuration is made of. */
const birdKinds = [
  kinds.Node,
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
    kinds.FelixConfiguration,
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
  readonly nodeName: string;
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

export interface ClusterWatch extends Disposable {
  /** Tells the endpoint what the API says of its guest now. */
  look(attachment: Attachment): void;
}

/** Hands what changes in the cluster to those whom it concerns. */
export function watchCluster(options: ClusterWatchOptions): ClusterWatch {
  const { view, policy, nodeName } = options;
  const subscriptions = new DisposableStack();

  function look(attachment: Attachment): void {
    const { vm, pod: wanted } = attachment;
    const vmi = vmiOf(view, attachment);
    const pod = view.get(kinds.Pod, { namespace: wanted.namespace, name: wanted.name });
    // What is not known moves nothing.
    if (!vm || !vmi || pod?.metadata.uid !== wanted.uid) return;
    const migrations = view.byIndex(migrationsOfVmi, `${wanted.namespace}/${vm.name}`);
    const [part] = migrationsOnNode({ pods: [pod], instances: [vmi], migrations }, nodeName);
    options.departing(attachment, part !== undefined && isLeaving(part));
    const input = part && inputOf(part);
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
