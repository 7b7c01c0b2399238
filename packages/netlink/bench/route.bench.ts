/** What a route costs: added alone, in batches of 100, and 20,000 at once. The floor is the same bytes through koffi, without our codec. */
import { type Bench, quantile } from "../../../scripts/bench.ts";
import {
  monotonicNow,
  NetworkNamespace,
  type RouteChange,
  RouteSocket,
  type RouteSpec,
} from "../src/index.ts";
import { errno, libc } from "../src/libc.ts";
import { MessageWriter } from "../src/message-writer.ts";
import { NetlinkSocket, NLM_F_ACK, NLM_F_CREATE, NLM_F_EXCL, NLM_F_REQUEST } from "../src/netlink-socket.ts";
import { encodeRoute, encodeRouteKey, RTM_DELROUTE, RTM_NEWROUTE } from "../src/route-codec.ts";

const ROUNDS = 2000;
const TABLE = 20_000;

export default async function bench(bench: Bench): Promise<void> {
  using netns = NetworkNamespace.create();
  using route = RouteSocket.open({ netns });
  const { index } = route.links.add({
    kind: "veth",
    name: "cali0",
    up: true,
    peer: { name: "peer", up: true },
  });
  const specs = {
    IPv4: (i: number) => spec(`10.${i >> 16}.${(i >> 8) & 255}.${i & 255}/32`, index),
    IPv6: (i: number) => spec(`fd00::${(i >> 8).toString(16)}:${(i & 255).toString(16)}/128`, index),
  };
  for (const [family, make] of Object.entries(specs)) {
    const floor = rawCalls(netns, make(1));
    const calls = pairs(
      () => route.routes.add(make(1)),
      () => route.routes.delete(make(1)),
    );
    for (const call of ["add", "delete"] as const)
      bench.report({
        name: `netlink: ${family} route ${call}, acknowledged`,
        value: calls[call],
        unit: "µs",
        floor: { name: "the same bytes, raw send and recv", value: floor[call] },
      });
    const hundred = Array.from({ length: 100 }, (_, i) => make(i));
    const batch = median(100, () => {
      route.routes.batch(hundred.map((one): RouteChange => ({ op: "add", route: one })));
      route.routes.batch(hundred.map((one): RouteChange => ({ op: "delete", route: one })));
    });
    bench.report({
      name: `netlink: ${family} route in a batch of 100, per message`,
      value: batch / 200,
      unit: "µs",
      floor: { name: "alone, raw", value: (floor.add + floor.delete) / 2 },
    });
  }
  const many = Array.from({ length: TABLE }, (_, i): RouteChange => ({ op: "add", route: specs.IPv4(i) }));
  bench.report({
    name: `netlink: ${TABLE} IPv4 routes added`,
    value: once(() => route.routes.batch(many)) / 1000,
    unit: "ms",
  });
  const listed = once(() => route.routes.list({ protocol: 80, family: 4 }));
  bench.report({ name: `netlink: ${TABLE} IPv4 routes listed`, value: listed / 1000, unit: "ms" });
  const enter = median(ROUNDS, () => netns.run(() => {}));
  bench.report({ name: "netlink: into a namespace and back", value: enter, unit: "µs" });
}

const spec = (destination: string, linkIndex: number): RouteSpec => ({
  destination,
  linkIndex,
  metric: 1024,
  protocol: 80,
});

/** Median microseconds of each half of an add and a delete. */
function pairs(add: () => void, remove: () => void): { add: number; delete: number } {
  const samples = Array.from({ length: ROUNDS }, () => [once(add), once(remove)] as const);
  const half = (i: 0 | 1) =>
    quantile(
      samples.map((sample) => sample[i]),
      0.5,
    );
  return { add: half(0), delete: half(1) };
}

/** The same with messages written beforehand. */
function rawCalls(netns: NetworkNamespace, route: RouteSpec): { add: number; delete: number } {
  using socket = NetlinkSocket.open(0, { netns });
  const message = (type: number, flags: number, write: (writer: MessageWriter) => void) => {
    const writer = new MessageWriter();
    writer.begin(type, NLM_F_REQUEST | NLM_F_ACK | flags, 1);
    write(writer);
    writer.end();
    return Buffer.from(writer.bytes);
  };
  const add = message(RTM_NEWROUTE, NLM_F_CREATE | NLM_F_EXCL, (writer) => encodeRoute(writer, route));
  const remove = message(RTM_DELROUTE, 0, (writer) => encodeRouteKey(writer, route));
  const answer = Buffer.alloc(4096);
  const exchange = (bytes: Buffer) => {
    libc().send(socket.fd, bytes, bytes.length, 0);
    if (libc().recv(socket.fd, answer, answer.length, 0) < 0) throw new Error(`recv: errno ${errno()}`);
  };
  return pairs(
    () => exchange(add),
    () => exchange(remove),
  );
}

function once(run: () => void): number {
  const start = monotonicNow();
  run();
  return Number(monotonicNow() - start) / 1000;
}

const median = (rounds: number, run: () => void): number =>
  quantile(
    Array.from({ length: rounds }, () => once(run)),
    0.5,
  );
