import type { Attachment, AttachmentStore } from "./attachment.ts";

/** What names a pod in Kubernetes. Nothing shorter does: interface names are hashes of it. */
export interface PodName {
  readonly namespace: string;
  readonly name: string;
}

/** A pod as one text. Neither part may hold a slash, so no two pods have the same. */
export const podKey = ({ namespace, name }: PodName): string => `${namespace}/${name}`;

/** Whether both are the same namespace and name. The pods may still be two, one made after the other: see `uid`. */
export const isSamePod = (one: PodName, other: PodName): boolean =>
  one.namespace === other.namespace && one.name === other.name;

/** Attachments of the same pod under other containers, the newest first. */
export function otherSandboxes(
  store: AttachmentStore,
  { containerId, pod }: { readonly containerId: string; readonly pod: PodName },
): readonly Attachment[] {
  return store
    .list()
    .filter((other) => isSamePod(other.pod, pod) && other.containerId !== containerId)
    .toSorted((one, other) => other.generation - one.generation);
}

/** Whether a later sandbox of the same pod has been wired, so that endpoint, status and annotations are its own. */
export function isReplaced(store: AttachmentStore, attachment: Attachment): boolean {
  return otherSandboxes(store, attachment).some(
    (other) => other.generation > attachment.generation && other.linkIndex !== undefined,
  );
}
