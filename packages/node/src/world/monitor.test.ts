import { kinds } from "@fairlead/api";
import { describe, expect, it } from "vitest";
import { plainPlan } from "./migration-plan.fixture.ts";
import { bounds } from "./monitor.fixture.ts";
import { useVirtualTime } from "./virtual-globals.fixture.ts";
import { randomFor } from "./virtual-time.fixture.ts";
import { World } from "./world.fixture.ts";

/** A world with one VM that has just moved, and somebody who does what no agent may. */
async function afterDisturbance(disturb: (world: World) => void, then = 100_000): Promise<unknown> {
  const world = new World({ seed: "disturbed", machines: 1, steps: [] });
  using _ = useVirtualTime(world.time);
  await world.begin();
  const [machine] = world.kubevirt.machines;
  world.kubevirt.migrate(machine!, plainPlan(randomFor("move")));
  await world.settle();
  disturb(world);
  return world.time
    .run(() => false, world.time.now + then)
    .then(
      () => undefined,
      (error) => error.code,
    );
}

const guestOf = (world: World) => world.kubevirt.machines[0]!.instance!.guest!;

/** Routes to the guest's addresses on some node and interface. */
function route(
  world: World,
  node: (typeof world.nodes)[number],
  hostInterface: string,
  metric: number,
): void {
  const linkIndex = node.kernel.socket.links.get(hostInterface)?.index ?? 0;
  for (const address of guestOf(world).addresses)
    node.kernel.socket.routes.prepend({
      destination: `${address}/${address.includes(":") ? 128 : 32}`,
      linkIndex,
      metric,
      protocol: 80,
    });
}

describe("the monitor finds", () => {
  it("nothing where nobody disturbs anything", async () => {
    expect(await afterDisturbance(() => {})).toBeUndefined();
  });

  it("a route that is taken away while the guest runs there", async () => {
    const code = await afterDisturbance((world) => {
      const { kernel } = guestOf(world).node!;
      for (const { destination } of kernel.socket.routes.list({ protocol: 80 }))
        kernel.socket.routes.delete({ destination, protocol: 80 });
    });
    expect(code).toBe("RouteTakenAway");
  });

  it("a second place with as good a route, after the time that routers are given", async () => {
    const elsewhere = (world: World) => {
      const node = world.nodes.find((one) => one !== guestOf(world).node)!;
      node.kernel.createNamespace("/run/netns/elsewhere");
      const link = node.kernel.socket.links.add({ kind: "dummy", name: "elsewhere", up: true });
      expect(link.index).toBeGreaterThan(0);
      route(world, node, "elsewhere", 1024);
    };
    expect(await afterDisturbance(elsewhere, bounds.best - 1_000)).toBeUndefined();
    expect(await afterDisturbance(elsewhere, bounds.best + 1_000)).toBe("WrongBestRoute");
  });

  it("an address that is freed while a VM has it", async () => {
    const code = await afterDisturbance((world) => {
      const { store } = world.server.cluster;
      for (const { metadata } of store.objects(kinds.IPAMBlock))
        store.delete(kinds.IPAMBlock, { name: metadata.name });
    });
    expect(code).toBe("AddressNotHeld");
  });

  it("an agent that ends by itself", async () => {
    const code = await afterDisturbance((world) => {
      world.nodes[0]?.break();
    });
    expect(code).toBe("AgentCrashed");
  });
});
