import { type ApiClient, createApiClient } from "@fairlead/api";
import { FakeCluster } from "@fairlead/api/fake";
import { afterAll, beforeAll, describe } from "vitest";
import { type ServerProcess, startServerProcess } from "../../../lab/src/apiserver/process.fixture.ts";
import { createKubernetesStore } from "./kubernetes-store.ts";
import { createMemoryStore } from "./memory-store.ts";
import { ipamKinds } from "./resources.ts";
import { describeStore } from "./store.compliance.ts";
import type { IpamStore } from "./store.ts";

describeStore("a memory store", () => createMemoryStore());
describeStore("a Kubernetes store", () => createKubernetesStore({ client: new FakeCluster().client() }));

/** Everything of this package is deleted from the cluster first. */
async function emptied(client: ApiClient): Promise<IpamStore> {
  const store = createKubernetesStore({ client });
  for (const kind of ipamKinds) for (const object of await store.list(kind)) await store.remove(kind, object);
  return store;
}

describe("over HTTPS", { timeout: 60_000 }, () => {
  let server: ServerProcess;
  let client: ApiClient;
  beforeAll(async () => {
    server = await startServerProcess();
    client = createApiClient({ kubeconfig: server.kubeconfig });
  }, 60_000);
  afterAll(async () => {
    await client?.close();
    await server?.[Symbol.asyncDispose]();
  });
  describeStore("the lab's API server, a process of its own", () => emptied(client));
});

/** Any other API server with the definitions of deploy/crds: a cluster for tests. */
const kubeconfig = process.env.FAIRLEAD_IPAM_TEST_KUBECONFIG;
if (kubeconfig) {
  const client = createApiClient({ kubeconfig });
  afterAll(() => client.close());
  describeStore(`the API server of ${kubeconfig}`, () => emptied(client));
}
