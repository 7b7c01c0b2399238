import { setTimeout as sleep } from "node:timers/promises";
import { buildRarp } from "@fairlead/garp/fake";
import { NetworkNamespace, PacketSocket, RouteSocket, TunTap, writeSysctl } from "@fairlead/netlink";
import { createWorkloadRoutes } from "@fairlead/routes";
import { afterEach, beforeEach, expect, it } from "vitest";
import { createReflexes, type Reflex, type Reflexes } from "./reflex.ts";

const mac = "02:aa:00:00:00:01";
const addresses = ["10.244.0.9", "fd00:10:244::9"];

let resources: DisposableStack;
let netns: NetworkNamespace;
let pod: NetworkNamespace;
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
  pod = resources.use(NetworkNamespace.create());
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

it("what a guest left unread is sent after it while the main loop is held up", async () => {
  const bridge = inside.links.add({ kind: "bridge", name: "k6t-eth0", up: true });
  // A bridge keeps what is for its own ports.
  inside.links.set("eth0", { address: "02:aa:00:00:00:02", master: bridge.index });
  resources.use(TunTap.open({ kind: "tap", name: "tap0", netns: pod }));
  inside.links.set("tap0", { up: true, master: bridge.index });
  const client = resources.use(TunTap.open({ kind: "tun", name: "client0", netns }));
  const elsewhere = resources.use(TunTap.open({ kind: "tun", name: "tor0", netns }));
  writeSysctl(["ipv4", "ip_forward"], 1, { netns });
  for (const name of ["client0", "tor0"]) route.links.set(name, { up: true });
  const [address = ""] = addresses;
  const destination = `${address}/32`;
  route.routes.add({ destination, linkIndex, metric: 1024 });
  route.routes.add({ destination: "192.0.2.0/24", linkIndex: route.links.get("client0")!.index });
  route.neighbours.replace({ linkIndex, address, mac, state: "permanent" });
  const sent: [number, number][] = [];
  const path = `/proc/${process.pid}/fd/${pod.fd}`;
  const departure = resources.use(
    reflexes.seeOff(
      { netns, pod: path, linkIndex, addresses },
      {
        sent: (packets, family) => sent.push([family, packets]),
        problem: (error) => void problems.push(error.message),
      },
    ),
  );
  await expect.poll(() => route.links.get("fairlead0")?.up).toBe(true);
  client.write({ bytes: toGuest, offload: Buffer.alloc(10) });
  route.routes.add({ destination, linkIndex: route.links.get("tor0")!.index, metric: 512 });
  let arrived: Buffer | undefined;
  blockUntil(() => {
    arrived = elsewhere.read()?.bytes;
    return arrived?.[9] === experimental;
  });
  expect(arrived?.subarray(16, 20)).toEqual(Buffer.from([10, 244, 0, 9]));
  await expect.poll(() => sent).toEqual([[4, 1]]);
  departure[Symbol.dispose]();
  await expect.poll(() => route.links.get("fairlead0")).toBeUndefined();
  expect(problems).toEqual([]);
});

it("says when there is no pod to see a guest off from", async () => {
  resources.use(
    reflexes.seeOff(
      { netns, pod: "/proc/self/ns/no", linkIndex, addresses },
      { sent() {}, problem: (error) => void problems.push(error.message) },
    ),
  );
  await expect.poll(() => problems).toEqual([expect.stringContaining("/proc/self/ns/no")]);
});

/** RFC 3692: for experiments. */
const experimental = 253;
/** From 192.0.2.7 to 10.244.0.9, without payload. */
const toGuest = Buffer.from("450000140000000040fdace9c00002070af40009", "hex");
