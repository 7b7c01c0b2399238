import { setTimeout as sleep } from "node:timers/promises";
import {
  ask,
  inside,
  listMachines,
  migrateVm,
  now,
  readLines,
  requestMigration,
  waitFor,
  waitForEnd,
  waitUntilRunning,
} from "@fairlead/lab";
import { describe, expect, it } from "vitest";
import { expectUnbroken, gainedOn, metrics, metricsOn, untilNormal } from "./expectations.ts";
import { setStage } from "./stage.ts";

describe("live migration", () => {
  it("keeps address and connections, elevates on the target and returns to normal", async () => {
    await using stage = await setStage("traveller");
    const target = stage.workers.find((name) => name !== stage.vm.node)!;
    const from = now();
    await migrateVm(stage.client, stage.vmName, target);
    await untilNormal(stage, target);
    expect(await waitUntilRunning(stage.client, stage.vmName)).toEqual({ ...stage.vm, node: target });
    const gained = [metrics.elevated, metrics.normal];
    expect(gainedOn(stage, target)).toEqual({ 4: gained, 6: gained });
    await expectUnbroken(stage, from);
  });

  it("loses hardly a datagram of a thousand a second: what arrived while the guest stood still is sent after it", async () => {
    await using stage = await setStage("parcel", 1);
    const target = stage.workers.find((name) => name !== stage.vm.node)!;
    const from = now();
    await migrateVm(stage.client, stage.vmName, target);
    await untilNormal(stage, target);
    const source = (await listMachines()).find(({ name }) => name === stage.vm.node)!;
    const sent = readLines<{ event: string; family: 4 | 6; packets: number }>(
      source,
      "/run/fairlead/events.jsonl",
    )
      .filter(({ event }) => event === "stragglers")
      .slice(-2);
    expect(sent.map(({ family }) => family).sort()).toEqual([4, 6]);
    for (const { packets } of sent) expect(packets).toBeGreaterThan(0);
    const datagrams = (await stage.endProbes(from)).filter(({ name }) => name.includes("udp"));
    // A pause of 10 ms alone would cost ten of each family.
    const lost = datagrams.reduce((sum, probe) => sum + probe.lost, 0);
    expect(lost).toBeLessThanOrEqual(8);
    for (const { name, duplicates } of datagrams) expect(duplicates, name).toBe(0);
  });

  it("comes back later to a node that has seen its connections before, and they go on after convergence", async () => {
    await using stage = await setStage("homecomer");
    const away = stage.workers.find((name) => name !== stage.vm.node)!;
    const from = now();
    for (const target of [away, stage.vm.node]) {
      await migrateVm(stage.client, stage.vmName, target);
      await untilNormal(stage, target);
    }
    await sleep(3000);
    await expectUnbroken(stage, from);
  });

  it("moves back at once, without waiting for convergence", async () => {
    await using stage = await setStage("restless");
    const away = stage.workers.find((name) => name !== stage.vm.node)!;
    const from = now();
    await migrateVm(stage.client, stage.vmName, away);
    await migrateVm(stage.client, stage.vmName, stage.vm.node);
    await untilNormal(stage, stage.vm.node);
    expect(metricsOn(stage, away)).toEqual({ 4: [], 6: [] });
    expect(await waitUntilRunning(stage.client, stage.vmName)).toEqual(stage.vm);
    await expectUnbroken(stage, from);
  });

  it("survives kill -9 of both nodes' agents while the VM moves", async () => {
    await using stage = await setStage("steadfast");
    const target = stage.workers.find((name) => name !== stage.vm.node)!;
    const from = now();
    const migration = await requestMigration(stage.client, stage.vmName, target);
    await waitFor("elevated routes on the target", 60, () =>
      metricsOn(stage, target)[4].includes(metrics.elevated) ? true : undefined,
    );
    for (const node of [stage.vm.node, target]) {
      await ask(inside.control, { method: "kill", process: `${node}/fairlead-node`, signal: "SIGKILL" });
    }
    expect((await waitForEnd(stage.client, migration))?.status?.phase).toBe("Succeeded");
    await untilNormal(stage, target);
    await expectUnbroken(stage, from);
  });

  it("needs no API server from the guest's announcement on; what is left to do is done when it is back", async () => {
    await using stage = await setStage("offline");
    const target = stage.workers.find((name) => name !== stage.vm.node)!;
    const from = now();
    await requestMigration(stage.client, stage.vmName, target);
    await waitFor("elevated routes on the target", 60, () =>
      metricsOn(stage, target)[4].includes(metrics.elevated) ? true : undefined,
    );
    await ask(inside.control, { method: "kill", process: "apiserver", signal: "SIGKILL" });
    await untilNormal(stage, target);
    await waitFor("the API server's word that the VM moved", 60, async () => {
      const vm = await waitUntilRunning(stage.client, stage.vmName).catch(() => undefined);
      return vm?.node === target ? true : undefined;
    });
    await expectUnbroken(stage, from);
  });
});
