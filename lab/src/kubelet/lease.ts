import { type ApiClient, isApiError, kinds } from "@fairlead/api";

const namespace = "kube-node-lease";
/** Seconds after which a node that was not heard of counts as lost. */
export const leaseSeconds = 40;

/** Renews the node's lease: the heartbeat. */
export async function renewLease(
  client: ApiClient,
  node: string,
  now: number,
  signal?: AbortSignal,
): Promise<void> {
  const spec = {
    holderIdentity: node,
    leaseDurationSeconds: leaseSeconds,
    // A MicroTime has six digits.
    renewTime: new Date(now).toISOString().replace("Z", "000Z"),
  };
  try {
    await client.patch(kinds.Lease, { name: node, namespace }, { spec }, { type: "merge", signal });
  } catch (error) {
    if (!isApiError(error, "NotFound")) throw error;
    await client.create(kinds.Lease, { metadata: { name: node, namespace }, spec }, { signal });
  }
}
