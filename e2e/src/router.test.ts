/** What the top-of-rack router does with what the workers tell it, whichever program it runs. */
import { kinds } from "@fairlead/api";
import { ask, inside, migrateVm, now, waitFor, waitUntilRunning } from "@fairlead/lab";
import { describe, expect, it } from "vitest";
import { expectUnbroken, metrics, untilNormal } from "./expectations.ts";
import { type Stage, setStage } from "./stage.ts";

const { processes } = await ask(inside.control, { method: "status" });
const programs = processes.filter(({ node }) => node === "tor").map(({ name }) => name.slice("tor/".length));

const processOf = async (name: string) =>
  (await ask(inside.control, { method: "status" })).processes.find((candidate) => candidate.name === name);

async function addressesOf(stage: Stage, node: string): Promise<string[]> {
  const { status } = await stage.client.get(kinds.Node, { name: node });
  return (status?.addresses ?? []).map(({ address }) => address);
}

describe(`a top-of-rack router with ${programs.join(", ")}`, () => {
  it("forwards to the target once the guest has announced itself there, and has a route all the time", async () => {
    await using stage = await setStage("passenger");
    const [first, second] = stage.workers.filter((name) => name !== stage.vm.node);
    const from = now();
    // At first the router has the VM's block alone; from the second move on it exchanges one route of the VM's own for another.
    for (const target of [first!, second!]) {
      const next = await addressesOf(stage, target);
      const start = now();
      await migrateVm(stage.client, stage.vmName, target);
      await untilNormal(stage, target);
      expect(await waitUntilRunning(stage.client, stage.vmName)).toEqual({ ...stage.vm, node: target });
      for (const family of [4, 6] as const) {
        const changes = stage.routes.filter((route) => route.family === family && route.at >= start);
        const elevated = changes.find(({ where, metric }) => where === target && metric === metrics.elevated);
        const there = changes.filter(({ where }) => where === "tor");
        expect(there.length, `IPv${family}`).toBeGreaterThan(0);
        for (const { change, gateway, origin, at } of there) {
          expect({ change, origin }, `IPv${family} to ${target}`).toEqual({ change: "added", origin: "bgp" });
          expect(next, `IPv${family}`).toContain(gateway);
          expect(at, `IPv${family}`).toBeGreaterThan(elevated?.at ?? Number.POSITIVE_INFINITY);
        }
      }
    }
    await expectUnbroken(stage, from);
  });

  it("keeps the routes of a worker whose BIRD is killed and starts again", async () => {
    await using stage = await setStage("sitter");
    const name = `${stage.vm.node}/bird`;
    const before = await processOf(name);
    const from = now();
    await ask(inside.control, { method: "kill", process: name, signal: "SIGKILL" });
    await waitFor("the new BIRD's sessions", 60, async () => {
      const bird = await processOf(name);
      return bird?.state === "running" && bird.pid !== before?.pid ? true : undefined;
    });
    const target = stage.workers.find((worker) => worker !== stage.vm.node)!;
    const away = stage.routes.filter(({ where, at }) => where === "tor" && at >= from);
    expect(away.filter(({ change }) => change === "removed")).toEqual([]);
    // What the new one says is heard.
    await migrateVm(stage.client, stage.vmName, target);
    await untilNormal(stage, target);
    await expectUnbroken(stage, from);
  });
});
