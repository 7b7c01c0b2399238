import { describe, test } from "vitest";
import { describeApiClient } from "./client.compliance.ts";
import { createApiClient } from "./create-client.ts";
import { kinds } from "./kinds.ts";

const kubeconfig = process.env.FAIRLEAD_KUBECONFIG;

/** Runs where a cluster is given: makes one namespace per case and deletes it. */
if (kubeconfig) {
  let count = 0;
  describeApiClient(`the client against the server of ${kubeconfig}`, async () => {
    const client = createApiClient({ kubeconfig });
    count += 1;
    const namespace = `fairlead-compliance-${process.pid}-${count}`;
    await client.create(kinds.Namespace, { metadata: { name: namespace } });
    await client
      .create(kinds.ServiceAccount, { metadata: { name: "default", namespace } })
      .catch(() => undefined);
    const close = async () => {
      await client.delete(kinds.Namespace, { name: namespace });
      await client.close();
    };
    return { client, namespace, close };
  });
} else {
  describe("the client against a real server", () => {
    test.skip("skipped: set FAIRLEAD_KUBECONFIG to a cluster's kubeconfig", () => undefined);
  });
}
