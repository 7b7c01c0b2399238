import { setTimeout as sleep } from "node:timers/promises";
import { buildRarp } from "@fairlead/garp/fake";
import { NetworkNamespace, PacketSocket, RouteSocket } from "@fairlead/netlink";
import { createWorkloadRoutes } from "@fairlead/routes";
import { afterEach, beforeEach, expect, it } from "vitest";
import { createReflexes, type Reflex, type Reflexes } from "./reflex.ts";

const mac = "02:aa:00:00:00:01";
const addresses = ["10.244.0.9", "fd00:10:244::9"];

let resources: DisposableStack;
let netns: NetworkNamespace;
let route: RouteSocket;
let inside: RouteSocket;
let guest: PacketSocket;
let openGuest: () => PacketSocket;
let reflexes: Reflexes;
let linkIndex: number;
let fired: number;
let problems: string[];

beforeEach(() => {
  resources = new DisposableStack();
  netns = resources.use(NetworkNamespace.create());
  const pod = resources.use(NetworkNamespace.create());
  route = resources.use(RouteSocket.open({ netns }));
  const peer = { name: "eth0", netns: pod, address: mac, up: true };
  linkIndex = route.links.add({ kind: "veth", name: "cali0", up: true, peer }).index;
  inside = resources.use(RouteSocket.open({ netns: pod }));
  openGuest = () =>
    resources.use(PacketSocket.open({ netns: pod, linkIndex: inside.links.get("eth0")?.index ?? 0 }));
  guest = openGuest();
  reflexes = resources.use(createReflexes());
  fired = 0;
  problems = [];
});
afterEach(() => resources.dispose());

function arm(): Reflex {
  const routes = createWorkloadRoutes({ route });
  routes.set("vm", { interfaceName: "cali0", addresses, state: "withdrawn", mac });
  const response = routes.planState("vm", "elevated") ?? { changes: [], neighbours: [] };
  return reflexes.arm(
    { netns, linkIndex, mac, addresses, response },
    {
      fired() {
        fired += 1;
      },
      problem: (error) => void problems.push(error.message),
    },
  );
}

const metrics = () => route.routes.list({ table: 254, protocol: 80 }).map(({ metric }) => metric);

/** Holds the main loop up until something is so. */
function blockUntil(condition: () => boolean): void {
  const deadline = performance.now() + 10_000;
  while (!condition()) if (performance.now() > deadline) throw new Error("not within 10 s");
}

it("elevates both families while the main loop is held up, and then tells it", async () => {
  const reflex = arm();
  await reflex.listening;
  guest.send(buildRarp(mac));
  blockUntil(() => metrics().length === 2);
  expect([metrics(), fired]).toEqual([[512, 512], 0]);
  const heard = reflex.read();
  expect(heard).toMatchObject({ kind: "rarp" });
  expect((heard?.acknowledgedAt ?? 0n) > (heard?.at ?? 0n)).toBe(true);
  await expect.poll(() => fired).toBe(1);
});

it("the kernel knows the guest's MAC before the guest is heard, whatever becomes of the carrier: no packet waits for a resolution", async () => {
  const known = () =>
    route.neighbours
      .list({ linkIndex })
      .filter((neighbour) => neighbour.mac === mac)
      .map(({ address, state }) => `${address} ${state}`);
  const hasCarrier = () => route.links.get("cali0")?.carrier;
  await arm().listening;
  inside.links.set("eth0", { up: false });
  await expect.poll(hasCarrier).toBe(false);
  inside.links.set("eth0", { up: true });
  await expect.poll(hasCarrier).toBe(true);
  expect([known(), metrics()]).toEqual([addresses.map((address) => `${address} permanent`), []]);
  // A socket does not outlive its interface's downfall.
  openGuest().send(buildRarp(mac));
  await expect.poll(known).toEqual(addresses.map((address) => `${address} reachable`));
});

it("a frame with another MAC moves nothing", async () => {
  const reflex = arm();
  await reflex.listening;
  guest.send(buildRarp("02:bb:00:00:00:02"));
  const second = arm();
  await second.listening;
  expect([metrics(), reflex.read()]).toEqual([[], undefined]);
  guest.send(buildRarp(mac));
  await expect.poll(() => fired).toBe(2);
});

it("stopped with the announcement on its way: either the route is there and it says so, or it never comes", async () => {
  for (let round = 0; round < 20; round++) {
    const reflex = arm();
    await reflex.listening;
    guest.send(buildRarp(mac));
    // Another moment each time.
    const until = performance.now() + round / 10;
    blockUntil(() => performance.now() >= until);
    const heard = reflex.stop();
    expect(metrics()).toEqual(heard ? [512, 512] : []);
    await sleep(0);
    expect(metrics()).toEqual(heard ? [512, 512] : []);
    for (const { destination, metric } of route.routes.list({ table: 254, protocol: 80 }))
      route.routes.delete({ destination, metric });
  }
});

it("says when there is nothing to listen on", async () => {
  route.links.delete("cali0");
  const reflex = reflexes.arm(
    { netns, linkIndex, mac, addresses, response: { changes: [], neighbours: [] } },
    { fired() {}, problem: (error) => void problems.push(error.message) },
  );
  await reflex.listening;
  await expect.poll(() => problems).toEqual([expect.stringContaining(`no link ${linkIndex}`)]);
  expect(reflex.stop()).toBeUndefined();
});
