import { describe, expect, it } from "vitest";
import { pod, vm } from "./calls.fixture.ts";
import { createFakeNode } from "./fake-node.fixture.ts";

const source = { pod: "virt-launcher-vm1-a", id: "source" };
const target = { pod: "virt-launcher-vm1-b", id: "target" };

/** A VM that has started where the uplink carries `sourceMtu`, and a target where it carries `targetMtu`. */
async function migrate(sourceMtu: number | undefined, targetMtu: number | undefined, config: object = {}) {
  const node = createFakeNode(
    pod(source.pod, { vm: { ...vm, role: "active" } }),
    pod(target.pod, { vm: { ...vm, role: "target", migrationUid: "m1" } }),
  );
  const { components } = node;
  Object.assign(components, { readMtu: () => sourceMtu });
  await node.run("ADD", source);
  Object.assign(components, { readMtu: () => targetMtu });
  const { body, exitCode } = await node.run("ADD", target, config);
  const mtuOf = (id: string) =>
    [...components.wiring.links.values()].find(({ netns }) => netns === `/run/netns/${id}`)?.mtu;
  return { ...node, exitCode, body, mtus: [mtuOf("source"), mtuOf("target")] };
}

describe("a migration target", () => {
  it.each([
    ["more", 1450, 9000],
    ["as much", 1450, 1450],
    ["an amount that is not known", 1450, undefined],
    ["more than the default, with which the VM started", undefined, 9000],
  ])("carries the VM's MTU where the uplink carries %s", async (_, sourceMtu, targetMtu) => {
    const { exitCode, mtus } = await migrate(sourceMtu, targetMtu);
    expect([exitCode, mtus]).toEqual([0, [sourceMtu ?? 1500, sourceMtu ?? 1500]]);
  });

  it.each([
    ["uplink", 9000, 1500, {}, 1500],
    ["network configuration", 9000, 9000, { mtu: 8950 }, 8950],
    ["uplink", 9000, 1500, { mtu: 9000 }, 1500],
  ])(
    "is refused with both numbers where the %s carries less",
    async (whose, sourceMtu, targetMtu, config, limit) => {
      const { body, sandboxes, endpoints, components, run } = await migrate(sourceMtu, targetMtu, config);
      expect(body.code).toBe(105);
      expect(body.msg).toContain(
        `VM vm1 runs with an MTU of ${sourceMtu} bytes, the ${whose} of this node allows ${limit}`,
      );
      expect([sandboxes(), endpoints(), components.addresses.held.size]).toEqual([["source"], ["source"], 1]);
      // The VM stays, and can migrate to where its MTU is carried.
      Object.assign(components, { readMtu: () => 9000 });
      expect((await run("ADD", target)).exitCode).toBe(0);
    },
  );
});

it("a VM that starts anew takes the MTU of its node, and migrates with it", async () => {
  const { run, components } = await migrate(9000, 9000);
  await run("DEL", target);
  await run("DEL", source);
  Object.assign(components, { readMtu: () => 1450 });
  await run("ADD", source);
  await run("ADD", target);
  expect([...components.wiring.links.values()].map(({ mtu }) => mtu)).toEqual([1450, 1450]);
});
