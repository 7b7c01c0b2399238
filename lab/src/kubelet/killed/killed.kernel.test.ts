/** kill -9 of agent, messenger and runtime, and SIGTERM of the agent, at every step of ADD and DEL: nothing is doubled, nothing is left. */
import { readFileSync } from "node:fs";
import { afterAll, beforeAll, expect, it, vi } from "vitest";
import { childrenOf } from "../../process.ts";
import { NodeUnderFire, nothing } from "./node-under-fire.fixture.ts";

let world: NodeUnderFire;
let podCount = 0;
beforeAll(async () => {
  world = await NodeUnderFire.start();
  vi.stubEnv("FAIRLEAD_CNI_SOCKET", world.socketPath);
});
afterAll(async () => {
  vi.unstubAllEnvs();
  await world?.[Symbol.asyncDispose]();
});

async function newPod(): Promise<string> {
  const name = `web-${++podCount}`;
  await world.pod(name);
  return name;
}

const patience = { timeout: 20_000, interval: 20 };
const expectNothing = () => expect.poll(() => world.traces(), patience).toEqual(nothing);

/** One pod with these addresses, and each thing of it once. */
async function expectOne(addresses: readonly string[]): Promise<void> {
  expect(addresses).toHaveLength(2);
  const sorted = addresses.toSorted();
  await expect
    .poll(() => world.traces(), patience)
    .toEqual({
      hostLinks: [expect.stringMatching(/^cali[0-9a-f]{11}$/)],
      podAddresses: sorted,
      routes: sorted.map((address) => `${address} 1024`),
      policy: true,
      allocations: 2,
      handles: 0,
      attachments: 1,
      statusFiles: 1,
      results: 1,
    });
}

/** Each falls between two effects, so that together they cover every gap of an ADD. The first pod of a node also brings its blocks. */
const stepsOfAdd = [
  "create IPAMBlock",
  "attachment claimed",
  "replace IPAMBlock",
  "attachment addressed",
  "pod: make link",
  "pod: add address",
  "pod: add route",
  "attachment wired",
  "node: add route",
  "patch Pod",
  "policy transaction",
  "endpoint status",
  "attachment ready",
  "answer",
].map((effect, index) => ({
  effect,
  next: index % 2 === 0 ? "DEL and a new sandbox" : "the same ADD again",
}));

it.each(stepsOfAdd)("the agent dies in ADD before '$effect'; $next", async ({ effect, next }) => {
  const pod = await newPod();
  world.arm({ effect, action: "kill" });
  await expect(world.add(pod)).rejects.toMatchObject({ number: 11 });
  await world.agentDied();
  const again = next === "the same ADD again" ? pod : `${pod}-again`;
  if (again !== pod) {
    await world.del(pod);
    await expectNothing();
  }
  await expectOne(await world.add(pod, again));
  await world.del(pod, again);
  await expectNothing();
});

const stepsOfDel = [
  "node: delete route",
  "endpoint status removed",
  "pod: delete link",
  "policy transaction",
  "replace IPAMBlock",
  "patch Pod",
  "attachment removed",
  "answer",
];

it.each(stepsOfDel)("the agent dies in DEL before '%s'; DEL is tried again", async (effect) => {
  const pod = await newPod();
  await expectOne(await world.add(pod));
  world.arm({ effect, action: "kill" });
  await expect(world.del(pod)).rejects.toMatchObject({ number: 11 });
  await world.agentDied();
  await world.del(pod);
  await expectNothing();
  await world.del(pod);
});

/** The node has its blocks by now. */
const stepsOfLaterAdd = stepsOfAdd.filter(({ effect }) => effect !== "create IPAMBlock");

it.each(stepsOfLaterAdd)(
  "the agent is told to end in ADD before '$effect': it finishes the call first",
  async ({ effect }) => {
    const pod = await newPod();
    world.arm({ effect, action: "terminate" });
    const addresses = await world.add(pod);
    await world.agentLeft();
    await expectOne(addresses);
    await world.del(pod);
    await expectNothing();
  },
);

it.each(stepsOfDel)(
  "the agent is told to end in DEL before '%s': it finishes the call first",
  async (effect) => {
    const pod = await newPod();
    await expectOne(await world.add(pod));
    world.arm({ effect, action: "terminate" });
    await world.del(pod);
    await world.agentLeft();
    await expectNothing();
  },
);

it.each(["attachment claimed", "pod: make link", "answer"])(
  "the messenger dies in ADD before '%s'; the agent goes on, and DEL takes all of it back",
  async (effect) => {
    const pod = await newPod();
    world.arm({ effect, action: "stall" });
    const added = expect(world.add(pod)).rejects.toThrow(/SIGKILL/);
    await world.stalled();
    killMessenger();
    await added;
    world.disarm();
    await world.del(pod);
    await expectNothing();
    await expectOne(await world.add(pod));
    await world.del(pod);
    await expectNothing();
  },
);

it("the messenger dies in DEL; DEL is tried again", async () => {
  const pod = await newPod();
  await expectOne(await world.add(pod));
  world.arm({ effect: "pod: delete link", action: "stall" });
  const removed = expect(world.del(pod)).rejects.toThrow(/SIGKILL/);
  await world.stalled();
  killMessenger();
  await removed;
  world.disarm();
  await world.del(pod);
  await expectNothing();
});

it("the runtime dies before it has kept the result of ADD: ADD again finds the same addresses, DEL needs no result", async () => {
  const pod = await newPod();
  const addresses = await world.add(pod);
  world.forgetResults();
  expect(await world.add(pod)).toEqual(addresses);
  await expectOne(addresses);
  world.forgetResults();
  await world.del(pod);
  await expectNothing();
});

function killMessenger(): void {
  const messengers = childrenOf(process.pid).filter(
    (pid) => readFileSync(`/proc/${pid}/comm`, "utf8") === "calico\n",
  );
  expect(messengers).toHaveLength(1);
  process.kill(messengers[0]!, "SIGKILL");
}
