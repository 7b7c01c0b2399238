import { setTimeout as delay } from "node:timers/promises";
import { type ApiClient, isApiError, kinds, listAll, type Pod } from "@fairlead/api";
import { messageOf } from "../error.ts";

export interface PodHandlers {
  readonly signal: AbortSignal;
  readonly log: (message: string) => void;
  readonly present: (pod: Pod) => void;
  /** The object with this uid is gone. */
  readonly gone: (uid: string) => void;
  /** After each list: the uids of all pods of the node. */
  readonly complete: (uids: ReadonlySet<string>) => void;
}

/** Follows the pods of one node: list, watch, and again from the start when the watch cannot be resumed. */
export function watchPods(client: ApiClient, nodeName: string, handlers: PodHandlers) {
  const fieldSelector = `spec.nodeName=${nodeName}`;
  const { signal } = handlers;
  const first = Promise.withResolvers<void>();

  async function list(): Promise<string> {
    const { items, resourceVersion } = await listAll(client, kinds.Pod, { fieldSelector, signal });
    handlers.complete(new Set(items.map((pod) => pod.metadata.uid!)));
    for (const pod of items) handlers.present(pod);
    first.resolve();
    return resourceVersion;
  }

  async function watch(from: string): Promise<string> {
    let resourceVersion = from;
    for await (const event of client.watch(kinds.Pod, { fieldSelector, resourceVersion, signal })) {
      if (event.type === "BOOKMARK") resourceVersion = event.resourceVersion;
      else {
        resourceVersion = event.object.metadata.resourceVersion ?? resourceVersion;
        if (event.type === "DELETED") handlers.gone(event.object.metadata.uid!);
        else handlers.present(event.object);
      }
    }
    return resourceVersion;
  }

  async function follow(): Promise<void> {
    let from: string | undefined;
    while (!signal.aborted) {
      try {
        from ??= await list();
        from = await watch(from);
      } catch (error) {
        if (signal.aborted) return;
        if (isApiError(error, "Gone")) from = undefined;
        else {
          handlers.log(`watching pods: ${messageOf(error)}; trying again`);
          await delay(500, undefined, { signal }).catch(() => undefined);
        }
      }
    }
  }

  return { synced: first.promise, ended: follow() };
}
