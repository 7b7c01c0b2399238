import { createApiClient, kinds } from "@fairlead/api";
import { describeApiClient } from "@fairlead/api/compliance";
import { afterAll, beforeAll } from "vitest";
import { type ApiServer, startApiServer } from "./server.ts";

let server: ApiServer;
let count = 0;

beforeAll(async () => {
  server = await startApiServer();
});
afterAll(() => server.close());

describeApiClient("our client against the lab's API server", async () => {
  const client = createApiClient({ kubeconfig: server.adminKubeconfig });
  count += 1;
  const namespace = `compliance-${count}`;
  await client.create(kinds.Namespace, { metadata: { name: namespace } });
  await client.create(kinds.ServiceAccount, { metadata: { name: "default", namespace } });
  return { client, namespace, close: () => client.close() };
});
