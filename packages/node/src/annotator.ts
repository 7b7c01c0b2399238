import { type ApiClient, isApiError, kinds } from "@fairlead/api";
import { asHostPrefix, CniError, type PodAnnotator } from "@fairlead/cni";

const containerKey = "cni.projectcalico.org/containerID";
/** The first address, and all of them. */
const addressKeys = ["cni.projectcalico.org/podIP", "cni.projectcalico.org/podIPs"] as const;

/** Writes the pod's annotations by a patch of its status, which is all the agent may change of a pod. */
export function createPodAnnotator(client: Pick<ApiClient, "patch">): PodAnnotator {
  const late = (what: string, cause: unknown) =>
    new CniError("TryAgainLater", `the pod's annotations could not be ${what}`, "is the API server there?", {
      cause,
    });
  return {
    async attached({ pod, containerId, addresses }, signal) {
      const { namespace, name, uid } = pod;
      const nets = addresses.map(asHostPrefix);
      const annotations = {
        [containerKey]: containerId,
        [addressKeys[0]]: nets[0] ?? "",
        [addressKeys[1]]: nets.join(","),
      };
      const body = { metadata: { ...(uid && { uid }), annotations } };
      try {
        await client.patch(kinds.Pod, { namespace, name }, body, {
          type: "strategic",
          subresource: "status",
          signal,
        });
      } catch (cause) {
        if (isApiError(cause, "NotFound", "Conflict"))
          throw new CniError("IdentityRefused", `pod ${name} was deleted meanwhile`, "nothing to do", {
            cause,
          });
        throw late("written", cause);
      }
    },
    async detached({ pod, containerId }, signal) {
      const { namespace, name, uid } = pod;
      const at = (key: string) => `/metadata/annotations/${key.replaceAll("/", "~1")}`;
      const operations = [
        ...(uid ? [{ op: "test", path: "/metadata/uid", value: uid }] : []),
        { op: "test", path: at(containerKey), value: containerId },
        ...addressKeys.map((key) => ({ op: "add", path: at(key), value: "" })),
      ];
      try {
        await client.patch(kinds.Pod, { namespace, name }, operations, {
          type: "json",
          subresource: "status",
          signal,
        });
      } catch (cause) {
        // The pod is gone, another of the same name has come, or the addresses are those of another container.
        if (isApiError(cause, "NotFound", "Conflict", "Invalid")) return;
        throw late("cleared", cause);
      }
    },
  };
}
