import type { VirtualMachineInstance } from "@fairlead/api";
import { expect, it } from "vitest";
import { podFixture, runningVmi } from "../vmi-fixture.ts";
import { judgeEviction } from "./eviction.ts";

type Strategy = NonNullable<VirtualMachineInstance["spec"]["evictionStrategy"]>;

const vmiWith = (
  evictionStrategy: Strategy | undefined,
  status: VirtualMachineInstance["status"] = {},
): VirtualMachineInstance => ({
  ...runningVmi("node-a", status),
  spec: evictionStrategy ? { evictionStrategy } : {},
});
const pod = podFixture(runningVmi(), { node: "node-a" });
const stuck = { conditions: [{ type: "LiveMigratable", status: "False" as const }] };

it("a guest that can move is marked to be moved, and its pod stays", () => {
  expect(judgeEviction(pod, vmiWith("LiveMigrate"))).toMatchObject({
    allowed: false,
    message: 'Eviction triggered evacuation of VMI "default/vm"',
    mark: {
      operations: [
        { op: "test", path: "/status/nodeName", value: "node-a" },
        { op: "add", path: "/status/evacuationNodeName", value: "node-a" },
      ],
    },
  });
});

it("asking again changes nothing", () => {
  const verdict = judgeEviction(pod, vmiWith("LiveMigrate", { evacuationNodeName: "node-a" }));
  expect(verdict).toMatchObject({
    allowed: false,
    message: expect.stringMatching(/^Evacuation in progress/),
  });
  expect(verdict).not.toHaveProperty("mark");
});

it("a migration's target is not evicted, and marks nothing", () => {
  const target = podFixture(runningVmi(), { node: "node-b", name: "target" });
  const verdict = judgeEviction(target, vmiWith("LiveMigrate"));
  expect(verdict).toMatchObject({ allowed: false, message: expect.stringMatching(/target Pod/) });
  expect(verdict).not.toHaveProperty("mark");
});

it.each<[Strategy | undefined, VirtualMachineInstance["status"], allowed: boolean]>([
  [undefined, {}, true],
  ["None", {}, true],
  ["LiveMigrateIfPossible", {}, false],
  ["LiveMigrateIfPossible", stuck, true],
  ["LiveMigrate", stuck, false],
  ["External", stuck, false],
])("strategy %s, status %j: allowed %s", (strategy, status, allowed) => {
  expect(judgeEviction(pod, vmiWith(strategy, status)).allowed).toBe(allowed);
});

it("pods of others, launchers that ended and launchers of no VMI are none of its business", () => {
  const other = { ...pod, metadata: { ...pod.metadata, labels: { app: "web" } } };
  expect(judgeEviction(other, vmiWith("LiveMigrate")).allowed).toBe(true);
  expect(
    judgeEviction(podFixture(runningVmi(), { phase: "Succeeded" }), vmiWith("LiveMigrate")).allowed,
  ).toBe(true);
  expect(judgeEviction(pod, undefined).allowed).toBe(true);
});
