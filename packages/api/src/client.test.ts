import { expect, it } from "vitest";
import { getIfPresent } from "./client.ts";
import { FakeCluster, failNth } from "./fake.ts";
import { kinds } from "./kinds.ts";

const ref = { name: "a", namespace: "test" };

it("a kind whose definition is gone says nothing of its objects", async () => {
  const cluster = new FakeCluster();
  const client = cluster.client();
  await client.create(kinds.VirtualMachine, { metadata: ref, spec: { template: { spec: {} } } });
  cluster.unserve(kinds.VirtualMachine);
  await expect(getIfPresent(client, kinds.VirtualMachine, ref)).rejects.toMatchObject({ code: "NotServed" });
  cluster.serve(kinds.VirtualMachine);
  expect(await getIfPresent(client, kinds.VirtualMachine, ref)).toMatchObject({ metadata: ref });
});

it.each(["Forbidden", "Unauthorized", "Unavailable", "Timeout"] as const)(
  "a failure that is %s does not pass for an object that is missing",
  async (code) => {
    const client = new FakeCluster().client(failNth(1, code));
    await expect(getIfPresent(client, kinds.ConfigMap, ref)).rejects.toMatchObject({ code });
    expect(await getIfPresent(client, kinds.ConfigMap, ref)).toBeUndefined();
  },
);
