import { kinds } from "@fairlead/api";
import { afterEach, beforeEach, expect, it } from "vitest";
import type { Agent } from "./agent.ts";
import { createFakeClock } from "./clock.ts";
import { fakeAttachment } from "./fakes.fixture.ts";
import { createLoneAgent } from "./lone-agent.fixture.ts";
import { createFakeMigrationMemory } from "./migration-files.ts";
import { putPod } from "./virtual-machine.fixture.ts";

let lone: ReturnType<typeof createLoneAgent>;
beforeEach(() => {
  lone = createLoneAgent();
});
afterEach(() => lone.close());

/** Lets the agent come to where it waits for the cluster. */
const untilWaiting = () => new Promise(setImmediate);

const followed = (agent: Agent) =>
  agent.migrations.list().map(({ attachment }) => `${attachment.pod.name} ${attachment.containerId}`);
const installed = () => lone.routes.installed().map(({ destination }) => destination);

it("takes up what an earlier run left", async () => {
  lone.leave("web");
  const agent = lone.compose();
  lone.open();
  await agent.start();
  expect([followed(agent), installed(), lone.policy.health().endpoints]).toEqual([
    ["web container-web"],
    ["10.244.0.9/32"],
    1,
  ]);
});

it("what DEL takes away while the cluster is still being read does not come back, though DEL is not over yet", async () => {
  lone.leave("web");
  const released = Promise.withResolvers<void>();
  const agent = lone.compose({
    workloads: {
      assign: () => Promise.reject(new Error("nobody is added")),
      async release() {
        await released.promise;
        return { released: [], kept: [] };
      },
      promote: () => Promise.reject(new Error("nobody moves")),
    },
  });
  const started = agent.start();
  await untilWaiting();
  expect(installed()).toEqual(["10.244.0.9/32"]);
  const deletion = lone.call(agent, "DEL", "web");
  await expect.poll(installed).toEqual([]);
  lone.open();
  await started;
  expect([lone.attachments.list().length, followed(agent), installed()]).toEqual([1, [], []]);
  expect(lone.policy.health().endpoints).toBe(0);
  released.resolve();
  expect((await deletion).exitCode).toBe(0);
});

it("what DEL takes away before the agent has begun to start does not come back", async () => {
  lone.leave("web");
  const agent = lone.compose();
  const deletion = lone.call(agent, "DEL", "web");
  lone.open();
  await agent.start();
  expect((await deletion).exitCode).toBe(0);
  expect([followed(agent), installed(), lone.policy.health().endpoints]).toEqual([[], [], 0]);
});

it("a newer container that ADD makes meanwhile is not replaced by the one that was left", async () => {
  lone.leave("web", "container-old");
  putPod(lone.cluster, "web", "node-a");
  lone.cluster.put(kinds.Namespace, { apiVersion: "v1", kind: "Namespace", metadata: { name: "default" } });
  const agent = lone.compose();
  const started = agent.start();
  await untilWaiting();
  const addition = lone.call(agent, "ADD", "web", "container-new");
  await expect.poll(() => followed(agent)).toEqual(["web container-new"]);
  lone.open();
  await started;
  expect((await addition).exitCode).toBe(0);
  expect(followed(agent)).toEqual(["web container-new"]);
});

it("an elevated priority that was over before the start does not end before the cluster is known", async () => {
  const clock = createFakeClock();
  const memory = createFakeMigrationMemory();
  const attachment = fakeAttachment("virt-launcher-a", {
    hostInterface: "cali0123456789a",
    addresses: ["10.244.0.9"],
  });
  const { hostInterface: interfaceName, addresses } = attachment;
  lone.attachments.put(attachment);
  lone.routes.addInterface(interfaceName);
  lone.routes.set(interfaceName, { interfaceName, addresses, state: "elevated" });
  memory.save(attachment, { state: "TimeWait", epoch: 1, until: clock.now() - 1 });
  const agent = lone.compose({ clock, memory });
  const started = agent.start();
  const state = () => agent.migrations.recordOf(attachment)?.state;
  await untilWaiting();
  clock.advance(60_000);
  await untilWaiting();
  expect(state()).toBe("TimeWait");
  lone.open();
  await started;
  await expect
    .poll(() => {
      clock.advance(60_000);
      return state();
    })
    .toBe("Base");
});
