import { describe, expect, it } from "vitest";
import { pod, vm } from "./calls.fixture.ts";
import { createCni } from "./cni.ts";
import type { CniComponents } from "./components.ts";
import { createFakeEndpoints } from "./fake.ts";
import { createFakeNode, type Sandbox } from "./fake-node.fixture.ts";

/** The same components, that take effect `steps` times and never again: what a process does that is killed. */
function dyingAfter(components: CniComponents, steps: number, isLastEffectLost: boolean) {
  let left = steps;
  const spend = <T extends object>(part: T, ...methods: (keyof T)[]): T => {
    const dying: T = { ...part };
    for (const method of methods) {
      const act = part[method] as (...values: unknown[]) => unknown;
      dying[method] = ((...values: unknown[]) => {
        if (left <= 0) throw new Error("the agent is dead");
        left -= 1;
        if (left > 0) return act.apply(part, values);
        if (!isLastEffectLost) void act.apply(part, values);
        throw new Error("the agent is dead");
      }) as T[keyof T];
    }
    return dying;
  };
  const cni = createCni({
    ...components,
    addresses: spend(components.addresses, "assign", "release"),
    wiring: spend(components.wiring, "attach", "detach", "forget"),
    endpoints: createFakeEndpoints(),
    annotator: spend(components.annotator, "attached", "detached"),
    attachments: spend(components.attachments, "put", "delete"),
  });
  return { cni, isDead: () => left <= 0 };
}

const launcher = "virt-launcher-vm1-a";
const cases = [
  { what: "a pod's sandbox", name: "web", handle: (last: string) => `k8s-pod-network.${last}` },
  { what: "a VM's sandbox", name: launcher, handle: () => "k8s-pod-network.vmi.default.vm1" },
];

describe.each(cases)("an agent that dies during the ADD of $what", ({ name, handle }) => {
  const sandbox = (id: string): Sandbox => ({ pod: name, id });

  it.each([
    ["before", true],
    ["after", false],
  ])(
    "%s any of its steps took effect: the next sandbox's ADD makes up for it",
    async (_, isLastEffectLost) => {
      let steps = 0;
      for (let isComplete = false; !isComplete; ) {
        steps += 1;
        const node = createFakeNode(pod("web"), pod(launcher, { vm: { ...vm, role: "active" } }));
        await node.run("ADD", sandbox("first"));
        const dying = dyingAfter(node.components, steps, isLastEffectLost);
        await node.run("ADD", sandbox("second"), {}, dying.cni);
        isComplete = !dying.isDead();
        await new Promise(setImmediate);
        await node.run("ADD", sandbox("third"));
        const { addresses, wiring, attachments } = node.components;
        expect([steps, ...addresses.held]).toEqual([steps, [handle("third"), 2]]);
        expect(attachments.list().map(({ containerId }) => containerId)).toEqual(["third"]);
        expect([...wiring.links.values()].map(({ netns }) => netns)).toEqual(["/run/netns/third"]);
        expect((await node.run("CHECK", sandbox("third"))).exitCode).toBe(0);
      }
      expect(steps).toBeGreaterThan(6);
    },
  );

  it.each([
    ["before", true],
    ["after", false],
  ])("%s any of its steps took effect: a DEL leaves nothing", async (_, isLastEffectLost) => {
    for (let steps = 1, isComplete = false; !isComplete; steps++) {
      const node = createFakeNode(pod("web"), pod(launcher, { vm: { ...vm, role: "active" } }));
      const dying = dyingAfter(node.components, steps, isLastEffectLost);
      await node.run("ADD", sandbox("only"), {}, dying.cni);
      isComplete = !dying.isDead();
      await new Promise(setImmediate);
      node.components.identity.departing = async (_pod, attachment) =>
        attachment?.vm || name === launcher ? { vm: { ...vm, deleting: true } } : {};
      expect((await node.run("DEL", sandbox("only"))).exitCode).toBe(0);
      const { addresses, wiring, attachments } = node.components;
      expect([steps, addresses.held.size, wiring.links.size, attachments.list().length]).toEqual([
        steps,
        0,
        0,
        0,
      ]);
    }
  });
});
