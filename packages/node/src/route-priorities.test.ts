import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type FelixConfiguration, kinds } from "@fairlead/api";
import { FakeCluster } from "@fairlead/api/fake";
import { afterEach, beforeEach, expect, it } from "vitest";
import { readRoutePriorities } from "./route-priorities.ts";

let directory: string;
let cluster: FakeCluster;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "fairlead-priorities-"));
  cluster = new FakeCluster();
});
afterEach(() => rmSync(directory, { recursive: true }));

const read = () => readRoutePriorities(cluster.client(), join(directory, "priorities.json"), () => {});
const usual = { normal: 1024, elevated: 512 };

it("are the usual ones in a cluster that says nothing", async () =>
  expect(await read()).toEqual({ ipv4: usual, ipv6: usual }));

it("are the cluster's, and remembered when the API server is away", async () => {
  const spec = { ipv4NormalRoutePriority: 2000, ipv4ElevatedRoutePriority: 100 };
  cluster.put(kinds.FelixConfiguration, {
    apiVersion: "projectcalico.org/v3",
    kind: "FelixConfiguration",
    metadata: { name: "default" },
    spec,
  });
  const wanted = { ipv4: { normal: 2000, elevated: 100 }, ipv6: usual };
  expect(await read()).toEqual(wanted);
  cluster.setDown(true);
  expect(await read()).toEqual(wanted);
});

it("are the usual ones when nothing is remembered, or nonsense", async () => {
  cluster.setDown(true);
  expect(await read()).toEqual({ ipv4: usual, ipv6: usual });
  writeFileSync(join(directory, "priorities.json"), '{"ipv4":{"normal":"x"}}');
  expect(await read()).toEqual({ ipv4: usual, ipv6: usual });
});

it.each([
  ["a priority that is none", { ipv4NormalRoutePriority: "x" }],
  ["an elevated one that is not better", { ipv6ElevatedRoutePriority: 1024 }],
  ["anything else that cannot be read", { liveMigrationRouteConvergenceTime: "soon" }],
])(
  "are those of the last start when the cluster's object has %s: the agent starts all the same",
  async (_, odd) => {
    const felix = (spec: object) =>
      cluster.put(kinds.FelixConfiguration, {
        apiVersion: "projectcalico.org/v3",
        kind: "FelixConfiguration",
        metadata: { name: "default" },
        spec: spec as FelixConfiguration["spec"],
      });
    felix(odd);
    expect(await read()).toEqual({ ipv4: usual, ipv6: usual });
    felix({ ipv4NormalRoutePriority: 2000, ipv4ElevatedRoutePriority: 100 });
    const wanted = await read();
    felix(odd);
    expect([wanted.ipv4.normal, await read()]).toEqual([2000, wanted]);
  },
);
