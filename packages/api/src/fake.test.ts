import { describeApiClient, unservedKind } from "./client.compliance.ts";
import { FakeCluster } from "./fake.ts";

describeApiClient("the fake client", () => {
  const client = new FakeCluster({ missing: [unservedKind] }).client();
  return Promise.resolve({ client, namespace: "test", close: () => client.close() });
});
