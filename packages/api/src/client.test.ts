import { expect, it } from "vitest";
import { getIfPresent } from "./client.ts";
import { FakeCluster, failNth } from "./fake.ts";
import { kinds } from "./kinds.ts";

const ref = { name: "a", namespace: "test" };

it("a kind that the cluster does not have has no objects", async () => {
  const cluster = new FakeCluster({ missing: [kinds.VirtualMachine] });
  expect(await getIfPresent(cluster.client(), kinds.VirtualMachine, ref)).toBeUndefined();
});

it.each(["Forbidden", "Unauthorized", "Unavailable", "Timeout"] as const)(
  "a failure that is %s does not pass for an object that is missing",
  async (code) => {
    const client = new FakeCluster().client(failNth(1, code));
    await expect(getIfPresent(client, kinds.ConfigMap, ref)).rejects.toMatchObject({ code });
    expect(await getIfPresent(client, kinds.ConfigMap, ref)).toBeUndefined();
  },
);
