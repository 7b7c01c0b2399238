import { type ApiClient, isApiError, kinds } from "@fairlead/api";
import { type Attachment, asHostPrefix, CniError, type PodAnnotator } from "@fairlead/cni";

const prefix = "cni.projectcalico.org/";

/** Writes the pod's annotations by a patch of its status, which is all the agent may change of a pod. */
export function createPodAnnotator(client: Pick<ApiClient, "patch">): PodAnnotator {
  async function patch(
    { pod }: Attachment,
    annotations: Record<string, string>,
    signal: AbortSignal,
  ): Promise<void> {
    const { namespace, name, uid } = pod;
    const body = { metadata: { ...(uid && { uid }), annotations } };
    await client.patch(kinds.Pod, { namespace, name }, body, {
      type: "strategic",
      subresource: "status",
      signal,
    });
  }
  return {
    async attached(attachment, signal) {
      const nets = attachment.addresses.map(asHostPrefix);
      const annotations = {
        [`${prefix}containerID`]: attachment.containerId,
        [`${prefix}podIP`]: nets[0] ?? "",
        [`${prefix}podIPs`]: nets.join(","),
      };
      try {
        await patch(attachment, annotations, signal);
      } catch (cause) {
        if (isApiError(cause, "NotFound") || isApiError(cause, "Conflict"))
          throw new CniError(
            "IdentityRefused",
            `pod ${attachment.pod.name} was deleted meanwhile`,
            "nothing to do",
            { cause },
          );
        throw new CniError(
          "TryAgainLater",
          "the pod's annotations could not be written",
          "is the API server there?",
          { cause },
        );
      }
    },
    async detached(attachment, signal) {
      try {
        await patch(attachment, { [`${prefix}podIP`]: "", [`${prefix}podIPs`]: "" }, signal);
      } catch (cause) {
        // The pod is gone, or another of the same name has come: nobody reads these annotations any more.
        if (isApiError(cause, "NotFound") || isApiError(cause, "Conflict")) return;
        throw new CniError(
          "TryAgainLater",
          "the pod's annotations could not be cleared",
          "is the API server there?",
          { cause },
        );
      }
    },
  };
}
