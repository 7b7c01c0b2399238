import { createApiClient } from "@fairlead/api";
import { FakeCluster } from "@fairlead/api/fake";
import { createKubernetesStore } from "./kubernetes-store.ts";
import { createMemoryStore } from "./memory-store.ts";
import { ipamKinds } from "./resources.ts";
import { describeStore } from "./store.compliance.ts";

describeStore("a memory store", () => createMemoryStore());
describeStore("a Kubernetes store", () => createKubernetesStore({ client: new FakeCluster().client() }));

/** A real API server with the CRDs installed; everything of this package is deleted from it. */
const kubeconfig = process.env.FAIRLEAD_IPAM_TEST_KUBECONFIG;
if (kubeconfig)
  describeStore("a real API server", async () => {
    const store = createKubernetesStore({ client: createApiClient({ kubeconfig }) });
    for (const kind of ipamKinds)
      for (const object of await store.list(kind)) await store.remove(kind, object);
    return store;
  });
