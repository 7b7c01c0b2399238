import { setTimeout as sleep } from "node:timers/promises";
import { type ApiClient, kinds } from "@fairlead/api";
import {
  type Faults,
  listMachines,
  now,
  readLines,
  requestMigration,
  waitFor,
  waitForEnd,
  waitUntilRunning,
} from "@fairlead/lab";
import { describe, expect, it } from "vitest";
import { expectUnbroken, gainedOn, metrics, metricsOn, untilNormal } from "./expectations.ts";
import { convergenceSeconds, setStage } from "./stage.ts";

/** A copy that takes too long, and memory that follows the guest for much longer than routes take to converge. */
const slowly: Faults = { bandwidth: 8_000_000, postCopyBandwidth: 3_000_000 };

/** What an operator sets on the KubeVirt object, until disposed. */
async function allowPostCopy(client: ApiClient): Promise<AsyncDisposable> {
  const write = (migrations: Record<string, unknown> | null) =>
    client.patch(
      kinds.KubeVirt,
      { namespace: "kubevirt", name: "kubevirt" },
      { spec: { configuration: { migrations } } },
      { type: "merge" },
    );
  await write({ allowPostCopy: true, completionTimeoutPerGiB: 1 });
  return { [Symbol.asyncDispose]: () => write(null).then(() => {}) };
}

const instance = (client: ApiClient, name: string) =>
  client.get(kinds.VirtualMachineInstance, { namespace: "default", name });

/** The states a VM's endpoint went through on a node, and why, as its agent wrote them down. */
async function statesOn(node: string, vmName: string): Promise<string[]> {
  const machine = (await listMachines()).find(({ name }) => name === node)!;
  return readLines<{ event: string; endpoint: string; to: string; because: string }>(
    machine,
    "/run/fairlead/events.jsonl",
  )
    .filter(
      ({ event, endpoint }) => event === "state" && endpoint.startsWith(`default/virt-launcher-${vmName}-`),
    )
    .map(({ to, because }) => `${to} because ${because}`);
}

describe("a post-copy migration", () => {
  it("is elevated from the switch on until KubeVirt has the memory and routers have converged; nothing breaks", async () => {
    await using stage = await setStage("early-bird");
    await using _ = await allowPostCopy(stage.client);
    const target = stage.workers.find((name) => name !== stage.vm.node)!;
    const from = now();
    const migration = await requestMigration(stage.client, stage.vmName, target, slowly);
    const elevated = { 4: [metrics.elevated], 6: [metrics.elevated] };
    await waitFor("KubeVirt to call it a post-copy", 60, async () => {
      const { status } = await instance(stage.client, stage.vmName);
      return status?.migrationState?.mode === "PostCopy" ? true : undefined;
    });
    await waitFor("elevated routes on the target", 60, () =>
      gainedOn(stage, target)[4].length > 0 && gainedOn(stage, target)[6].length > 0 ? true : undefined,
    );
    await sleep((convergenceSeconds + 2) * 1000);
    expect(metricsOn(stage, target)).toEqual(elevated);
    const { status } = await instance(stage.client, stage.vmName);
    expect(status).toMatchObject({ nodeName: stage.vm.node, migrationState: { mode: "PostCopy" } });
    // No object says where the guest runs before all of its memory is there.
    expect(status?.migrationState?.targetNodeDomainReadyTimestamp).toBeUndefined();
    expect(status?.migrationState?.endTimestamp).toBeUndefined();
    expect((await waitForEnd(stage.client, migration))?.status?.phase).toBe("Succeeded");
    await untilNormal(stage, target);
    const gained = [metrics.elevated, metrics.normal];
    expect(gainedOn(stage, target)).toEqual({ 4: gained, 6: gained });
    expect(await statesOn(target, stage.vmName)).toEqual([
      "Target because Named",
      "Live because Heard",
      "TimeWait because Arrived",
      "Base because Settled",
    ]);
    expect(metricsOn(stage, stage.vm.node)).toEqual({ 4: [], 6: [] });
    expect(await waitUntilRunning(stage.client, stage.vmName)).toEqual({ ...stage.vm, node: target });
    await expectUnbroken(stage, from);
  });

  it("that breaks after the switch costs the guest, not its addresses: the VM starts again and is in one place", async () => {
    await using stage = await setStage("phoenix");
    await using _ = await allowPostCopy(stage.client);
    const target = stage.workers.find((name) => name !== stage.vm.node)!;
    const { uid } = (await instance(stage.client, stage.vmName)).metadata;
    const broken = { ...slowly, breakAfterSwitchMs: 2000 };
    const migration = await requestMigration(stage.client, stage.vmName, target, broken);
    expect((await waitForEnd(stage.client, migration))?.status?.phase).toBe("Failed");
    for (const family of [4, 6] as const) expect(gainedOn(stage, target)[family][0]).toBe(metrics.elevated);
    const again = await waitUntilRunning(stage.client, stage.vmName, uid);
    expect(again).toEqual({ ...stage.vm, node: again.node });
    await untilNormal(stage, again.node);
    const isRouted = (name: string) => Object.values(metricsOn(stage, name)).flat().length > 0;
    await waitFor("routes on that node alone", 60, () =>
      stage.workers.filter(isRouted).join() === again.node ? true : undefined,
    );
  });
});
