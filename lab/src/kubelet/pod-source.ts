import { type ApiClient, type Change, createClusterView, kinds, type Pod } from "@fairlead/api";

export interface PodHandlers {
  readonly signal: AbortSignal;
  readonly log: (message: string) => void;
  readonly present: (pod: Pod) => void;
  /** The object with this uid is gone. */
  readonly gone: (uid: string) => void;
  /** Once, when the node's pods are known for the first time: the uids of all of them. */
  readonly complete: (uids: ReadonlySet<string>) => void;
}

export interface PodSource {
  readonly synced: Promise<void>;
  close(): Promise<void>;
}

/** Follows the pods of one node. */
export function watchPods(client: ApiClient, nodeName: string, handlers: PodHandlers): PodSource {
  const { signal, log, present, gone, complete } = handlers;
  const report = (fields: object, message: string) =>
    log(`pods: ${message}${"err" in fields && fields.err instanceof Error ? `: ${fields.err.message}` : ""}`);
  const view = createClusterView({
    client,
    kinds: [{ kind: kinds.Pod, fieldSelector: `spec.nodeName=${nodeName}` }],
    logger: { info() {}, warn: report, error: report },
  });
  view.subscribe(kinds.Pod, ({ type, object, previous }: Change<Pod>) => {
    if (type === "deleted") return gone(object.metadata.uid!);
    // Deleted and made again under its name while nobody watched.
    if (previous && previous.metadata.uid !== object.metadata.uid) gone(previous.metadata.uid!);
    present(object);
  });
  const synced = view
    .synced(signal)
    .then(() => complete(new Set(view.list(kinds.Pod).map(({ metadata }) => metadata.uid!))));
  return { synced, close: () => view.close() };
}
