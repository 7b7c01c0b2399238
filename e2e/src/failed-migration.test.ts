import { setTimeout as sleep } from "node:timers/promises";
import {
  cancelMigration,
  type Faults,
  now,
  requestMigration,
  waitForEnd,
  waitForPhase,
  waitUntilRunning,
} from "@fairlead/lab";
import { describe, expect, it } from "vitest";
import { type Stage, setStage } from "./stage.ts";

/** A copy slow enough to interfere with: the guest's memory takes several seconds. */
const slowly: Faults = { bandwidth: 8_000_000 };

const targetFor = (stage: Stage) => stage.workers.find((name) => name !== stage.vm.node)!;

/** How long the VM is watched after the migration's end, ms: what the lab clears away must not touch it either. */
const aftermath = 3000;

/** Source, address, routes and probes are as if nothing had been asked for, and stay so. */
async function expectNothingHappened(stage: Stage, target: string, from: number): Promise<void> {
  await sleep(aftermath);
  expect(await waitUntilRunning(stage.client, stage.vmName)).toEqual(stage.vm);
  const changes = stage.routes.filter((route) => route.at >= from);
  expect(changes.filter(({ where }) => where === target || where === stage.vm.node)).toEqual([]);
  expect(changes.filter(({ where }) => where === "tor")).toEqual([]);
  for (const figures of await stage.endProbes(from)) {
    expect(figures, figures.name).toMatchObject({ lost: 0, resets: 0, brokenConnections: 0 });
    expect(figures.sent, figures.name).toBeGreaterThan(0);
  }
}

describe("a migration that does not come about", () => {
  it("leaves source, address, routes and probes untouched when the target's QEMU dies in the middle of the copy", async () => {
    await using stage = await setStage("unlucky");
    const target = targetFor(stage);
    const from = now();
    const migration = await requestMigration(stage.client, stage.vmName, target, {
      ...slowly,
      killTargetDuringCopy: true,
    });
    expect((await waitForEnd(stage.client, migration))?.status?.phase).toBe("Failed");
    await expectNothingHappened(stage, target, from);
  });

  it("leaves them untouched when it is cancelled while memory is copied", async () => {
    await using stage = await setStage("undecided");
    const target = targetFor(stage);
    const from = now();
    const migration = await requestMigration(stage.client, stage.vmName, target, slowly);
    await waitForPhase(stage.client, migration, "Running");
    await cancelMigration(stage.client, migration);
    expect((await waitForEnd(stage.client, migration))?.status?.phase ?? "Failed").toBe("Failed");
    await expectNothingHappened(stage, target, from);
  });
});
