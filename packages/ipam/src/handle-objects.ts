import { type ApiClient, kinds } from "@fairlead/api";

/** Which ordinary pods get an IPAMHandle object: those with borrowed addresses, or all. */
export type HandleObjects = "when-needed" | "always";

/** What people may choose. `auto`: `always` while the incumbent's agents run in the cluster. */
export const handleObjectsSettings = ["auto", "always", "when-needed"] as const;

/** Where the incumbent's manifests and its operator run its agents. Tenants cannot place pods there. */
const incumbentNamespaces = ["kube-system", "calico-system"] as const;
const incumbentSelector = "k8s-app in (calico-node,canal)";

/**
 * Which pods get handle objects in this cluster. The incumbent finds a pod's addresses by its handle object alone: without one its DEL
 * frees nothing after a roll-back, and its `ipam check` complains about every pod of ours. Nobody else needs them, and they cost two
 * requests per pod. Where nobody can say whether the incumbent is there, pods get them.
 */
export async function chooseHandleObjects(
  client: Pick<ApiClient, "list">,
  setting: (typeof handleObjectsSettings)[number],
  { signal, onError }: { readonly signal?: AbortSignal; readonly onError?: (error: unknown) => void } = {},
): Promise<HandleObjects> {
  if (setting !== "auto") return setting;
  try {
    const pages = await Promise.all(
      incumbentNamespaces.map((namespace) =>
        client.list(kinds.Pod, { namespace, labelSelector: incumbentSelector, limit: 1, signal }),
      ),
    );
    return pages.some(({ items }) => items.length > 0) ? "always" : "when-needed";
  } catch (cause) {
    onError?.(
      new Error("cannot see whether the incumbent runs here; every pod gets an IPAMHandle object", { cause }),
    );
    return "always";
  }
}
