/** From a frame's arrival in the kernel to the JavaScript that hears of it. The floor is a raw socket read in a loop by the same thread. */
import { monotonicNow, NetworkNamespace, PacketSocket, RouteSocket } from "@fairlead/netlink";
import { type Bench, quantile } from "../../../scripts/bench.ts";
import { buildRarp } from "../src/fake.ts";
import { announcementFilter, announcements } from "../src/index.ts";

const ROUNDS = 1000;
const mac = "02:00:00:00:00:01";

export default async function bench(bench: Bench): Promise<void> {
  using netns = NetworkNamespace.create();
  using pod = NetworkNamespace.create();
  using route = RouteSocket.open({ netns });
  const link = route.links.add({
    kind: "veth",
    name: "cali0",
    up: true,
    peer: { name: "eth0", netns: pod, up: true },
  });
  using inside = RouteSocket.open({ netns: pod });
  using guest = PacketSocket.open({ netns: pod, linkIndex: inside.links.get("eth0")!.index });
  const target = { netns, linkIndex: link.index };
  const frame = buildRarp(mac);

  using raw = PacketSocket.open({ ...target, filter: announcementFilter(mac) });
  const floors: number[] = [];
  for (let i = 0; i < ROUNDS; i++) {
    const sent = monotonicNow();
    guest.send(frame);
    while (raw.receive() === undefined);
    floors.push(since(sent));
  }
  raw.close();

  const stream = announcements({ ...target, mac, addresses: [] });
  const total: number[] = [];
  const fromKernel: number[] = [];
  for (let i = 0; i < ROUNDS; i++) {
    const next = stream.next();
    const sent = monotonicNow();
    guest.send(frame);
    const { value } = await next;
    total.push(since(sent));
    if (value !== undefined) fromKernel.push(since(value.at));
  }
  await stream.return(undefined);
  const floor = (q: number) => ({ name: "read in a loop", value: quantile(floors, q) });
  bench.report({
    name: "garp: frame sent to handler, median",
    value: quantile(total, 0.5),
    unit: "µs",
    floor: floor(0.5),
  });
  bench.report({
    name: "garp: frame sent to handler, p99",
    value: quantile(total, 0.99),
    unit: "µs",
    floor: floor(0.99),
  });
  bench.report({
    name: "garp: frame in kernel to handler, median",
    value: quantile(fromKernel, 0.5),
    unit: "µs",
  });
}

const since = (start: bigint): number => Number(monotonicNow() - start) / 1000;
