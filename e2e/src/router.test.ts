/** What the top-of-rack router does with what the workers tell it, whichever program it runs. */
import { kinds } from "@fairlead/api";
import { ask, inside, migrateVm, now, waitFor, waitUntilRunning } from "@fairlead/lab";
import { describe, expect, it } from "vitest";
import { expectUnbroken, metrics, untilNormal } from "./expectations.ts";
import { type Stage, setStage } from "./stage.ts";

const { processes } = await ask(inside.control, { method: "status" });
const programs = processes.filter(({ node }) => node === "tor").map(({ name }) => name.slice("tor/".length));

/** Milliseconds within which two kernels' messages may be read in either order. */
const atOnce = 20;

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
        for (const { change, origin } of there)
          expect({ change, origin }, `IPv${family} to ${target}`).toEqual({ change: "added", origin: "bgp" });
        // Before that a router may still write down the end of the last move.
        const elevatedAt = elevated?.at ?? Number.POSITIVE_INFINITY;
        for (const { gateway, at } of there) {
          const isNext = next.includes(gateway ?? "");
          expect(
            isNext ? at > elevatedAt - atOnce : at < elevatedAt + atOnce,
            `IPv${family} to ${target}`,
          ).toBe(true);
        }
        expect(there.some(({ gateway }) => next.includes(gateway ?? ""))).toBe(true);
      }
    }
    await expectUnbroken(stage, from);
  });

  it("hears a worker again whose BIRD was killed, and no connection breaks", async () => {
    await using stage = await setStage("sitter");
    const [first, second] = stage.workers.filter((node) => node !== stage.vm.node);
    const from = now();
    // Away from its block the VM has routes of its own in the router.
    await migrateVm(stage.client, stage.vmName, first!);
    await untilNormal(stage, first!);
    const name = `${first}/bird`;
    const before = await processOf(name);
    await ask(inside.control, { method: "kill", process: name, signal: "SIGKILL" });
    await waitFor(`another ${name}`, 60, async () => {
      const bird = await processOf(name);
      return bird?.state === "running" && bird.pid !== before?.pid ? true : undefined;
    });
    await migrateVm(stage.client, stage.vmName, second!);
    await untilNormal(stage, second!);
    expect(await waitUntilRunning(stage.client, stage.vmName)).toEqual({ ...stage.vm, node: second });
    await expectUnbroken(stage, from);
  });
});
