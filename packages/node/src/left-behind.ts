import { type Attachment, type AttachmentStore, podKey } from "@fairlead/cni";

/** Endpoints that an earlier run of the agent left, as long as this run has not taken them up. */
export interface LeftBehind {
  list(): readonly Attachment[];
  /** An ADD has made the interface anew: what was left of it is no longer so. */
  renewed(attachment: Attachment): void;
  /** A DEL has begun. The files keep the container until it is over, so they cannot tell. */
  removed(attachment: Attachment): void;
}

/**
 * Reads the files once. Starting takes long (the cluster is read in between) and calls of the runtime are served meanwhile: each of
 * them says here what it does, and what is taken up afterwards is what is still left.
 */
export function createLeftBehind(attachments: Pick<AttachmentStore, "list">): LeftBehind {
  const left = new Map<string, Attachment>();
  for (const attachment of attachments.list()) {
    const other = left.get(podKey(attachment.pod));
    const isWired = attachment.step === "wired" || attachment.step === "ready";
    // The newest container of each pod whose interface was made.
    if (isWired && (!other || other.generation < attachment.generation))
      left.set(podKey(attachment.pod), attachment);
  }
  return {
    list: () => [...left.values()],
    renewed: ({ pod }) => void left.delete(podKey(pod)),
    removed({ pod, containerId }) {
      if (left.get(podKey(pod))?.containerId === containerId) left.delete(podKey(pod));
    },
  };
}
