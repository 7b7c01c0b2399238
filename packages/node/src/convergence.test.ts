import { createClusterView, type FelixConfiguration, kinds } from "@fairlead/api";
import { FakeCluster } from "@fairlead/api/fake";
import { expect, it } from "vitest";
import { convergenceOf } from "./convergence.ts";

it.each([
  ["no object", undefined, 30_000],
  ["an object that says nothing", {}, 30_000],
  ["none at all", { liveMigrationRouteConvergenceTime: "0s" }, 0],
  ["a day", { liveMigrationRouteConvergenceTime: "24h" }, 86_400_000],
  ["a word", { liveMigrationRouteConvergenceTime: "soon" }, 30_000],
  ["an object that is broken elsewhere", { bpfEnabled: "perhaps" }, 30_000],
  ["an object without a spec", null, 30_000],
])("with %s the elevated priority has its time", async (_, spec, expected) => {
  const cluster = new FakeCluster();
  if (spec !== undefined)
    cluster.put(kinds.FelixConfiguration, {
      apiVersion: "projectcalico.org/v3",
      kind: "FelixConfiguration",
      metadata: { name: "default" },
      ...(spec && { spec }),
    } as FelixConfiguration);
  await using view = createClusterView({ client: cluster.client(), kinds: [kinds.FelixConfiguration] });
  await view.synced();
  expect(convergenceOf(view.get(kinds.FelixConfiguration, { name: "default" }))).toBe(expected);
});
