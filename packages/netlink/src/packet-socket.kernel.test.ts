import { spawnSync } from "node:child_process";
import { readdirSync } from "node:fs";
import { expect, test } from "vitest";
import { assemble, jeq, label, ldh, ret } from "./bpf.ts";
import { monotonicNow } from "./clock.ts";
import { NetworkNamespace } from "./network-namespace.ts";
import { type Frame, PacketSocket } from "./packet-socket.ts";
import { RouteSocket } from "./route-socket.ts";

const TEST_TYPE = 0x88b5;
const onlyTests = assemble([ldh(12), jeq(TEST_TYPE, undefined, "drop"), ret(2048), label("drop"), ret(0)]);

/** Two namespaces joined by a veth; the near end hears test frames only. */
function wire() {
  const here = NetworkNamespace.create();
  const there = NetworkNamespace.create();
  const route = RouteSocket.open({ netns: here });
  const near = route.links.add({
    kind: "veth",
    name: "cali0",
    up: true,
    peer: { name: "eth0", netns: there, up: true },
  });
  using other = RouteSocket.open({ netns: there });
  const guest = PacketSocket.open({
    netns: there,
    linkIndex: other.links.get("eth0")!.index,
    filter: onlyTests,
  });
  const open = { netns: here, linkIndex: near.index, filter: onlyTests };
  return {
    here,
    route,
    guest,
    open,
    [Symbol.dispose]() {
      guest.close();
      route.close();
      here.close();
      there.close();
    },
  };
}

function frame(mark: number, type = TEST_TYPE): Buffer {
  const bytes = Buffer.alloc(60);
  bytes.fill(0xff, 0, 6);
  bytes.writeUInt16BE(type, 12);
  bytes.writeUInt32BE(mark, 14);
  return bytes;
}

const marks = (frames: readonly Frame[]) => frames.map(({ bytes }) => bytes.readUInt32BE(14));

function drain(socket: PacketSocket): Frame[] {
  const frames: Frame[] = [];
  for (let next = socket.receive(); next !== undefined; next = socket.receive()) frames.push(next);
  return frames;
}

test("what the filter drops is not heard, what it passes comes whole and in order", () => {
  using wired = wire();
  using host = PacketSocket.open(wired.open);
  for (let i = 0; i < 5; i++) {
    wired.guest.send(frame(i));
    wired.guest.send(frame(100 + i, 0x88b6));
  }
  const frames = drain(host);
  expect(marks(frames)).toEqual([0, 1, 2, 3, 4]);
  expect(frames[0]).toMatchObject({ length: 60, direction: "broadcast", linkIndex: wired.open.linkIndex });
  expect(frames[0]?.bytes).toEqual(frame(0));
});

test("what this host sends itself is not heard, unless asked for", () => {
  using wired = wire();
  using host = PacketSocket.open(wired.open);
  using everything = PacketSocket.open({ ...wired.open, ignoreOutgoing: false });
  using sender = PacketSocket.open(wired.open);
  sender.send(frame(1));
  expect(drain(host)).toEqual([]);
  expect(drain(everything).map(({ direction }) => direction)).toEqual(["outgoing"]);
});

test("a long frame is cut and its length told", () => {
  using wired = wire();
  using host = PacketSocket.open({ ...wired.open, snapLength: 20 });
  wired.guest.send(frame(1));
  expect(drain(host)[0]).toMatchObject({ length: 60, bytes: frame(1).subarray(0, 20) });
});

test("the oldest frames are skipped, as many as there are", () => {
  using wired = wire();
  using host = PacketSocket.open(wired.open);
  for (let i = 0; i < 150; i++) wired.guest.send(frame(i));
  expect(host.skip(100)).toBe(100);
  expect(marks([host.receive()!])).toEqual([100]);
  expect([host.skip(1000), host.skip(1)]).toEqual([49, 0]);
});

test("with offloads a frame comes whole, and with it what is left to do", () => {
  using wired = wire();
  using host = PacketSocket.open({ ...wired.open, offloads: true });
  for (let i = 0; i < 2; i++) wired.guest.send(frame(i));
  expect(host.skip(1)).toBe(1);
  expect(host.receive()).toMatchObject({ bytes: frame(1), length: 60, offload: Buffer.alloc(10) });
});

test("a frame's time lies between sending and hearing, on the monotonic clock", () => {
  using wired = wire();
  using host = PacketSocket.open(wired.open);
  drain(host);
  const before = monotonicNow();
  wired.guest.send(frame(1));
  const [heard] = drain(host);
  // The two clocks are read one after the other: allow them a millisecond.
  expect(heard!.at).toBeGreaterThan(before - 1_000_000n);
  expect(heard!.at).toBeLessThanOrEqual(monotonicNow());
});

test("a listener gets every frame on the main thread, and none after it ended", async () => {
  using wired = wire();
  using host = PacketSocket.open(wired.open);
  const heard: Frame[] = [];
  const { promise, resolve } = Promise.withResolvers<void>();
  const listening = host.listen({
    onFrame(next) {
      heard.push(next);
      if (heard.length === 300) resolve();
    },
  });
  expect(() => host.listen({ onFrame: () => {} })).toThrow(expect.objectContaining({ code: "Busy" }));
  for (let i = 0; i < 300; i++) wired.guest.send(frame(i));
  await promise;
  expect(marks(heard)).toEqual(Array.from({ length: 300 }, (_, i) => i));
  listening[Symbol.dispose]();
  wired.guest.send(frame(999));
  await new Promise((resume) => setImmediate(resume));
  expect(heard).toHaveLength(300);
});

test("a socket may be closed by its own listener", async () => {
  using wired = wire();
  const host = PacketSocket.open(wired.open);
  const heard = await new Promise<number>((resolve) => {
    let count = 0;
    host.listen({
      onFrame() {
        count++;
        host.close();
        setImmediate(() => resolve(count));
      },
    });
    wired.guest.send(frame(1));
    wired.guest.send(frame(2));
  });
  expect(heard).toBe(1);
});

test("a link that is deleted is reported as gone, one that goes down as down", async () => {
  using wired = wire();
  using host = PacketSocket.open(wired.open);
  const codes: unknown[] = [];
  let wake = () => {};
  host.listen({
    onFrame: () => {},
    onError(error) {
      codes.push("code" in error && error.code);
      wake();
    },
  });
  const next = () =>
    new Promise<void>((resolve) => {
      wake = resolve;
    });
  const down = next();
  wired.route.links.set(wired.open.linkIndex, { up: false });
  await down;
  expect(codes).toEqual(["NetworkDown"]);
  const gone = next();
  wired.route.links.delete(wired.open.linkIndex);
  await gone;
  expect(codes.at(-1)).toBe("NoDevice");
});

test("a link that does not exist is refused", () => {
  using wired = wire();
  expect(() => PacketSocket.open({ ...wired.open, linkIndex: 4711 })).toThrow(
    expect.objectContaining({ code: "NoDevice" }),
  );
});

test("opening, listening and closing many times leaves no descriptor open", async () => {
  using wired = wire();
  const once = () => {
    using host = PacketSocket.open(wired.open);
    host.listen({ onFrame: () => {} });
    expect(() => PacketSocket.open({ ...wired.open, linkIndex: 4711 })).toThrow();
  };
  once();
  const before = readdirSync("/proc/self/fd").length;
  for (let i = 0; i < 100; i++) once();
  // They are closed off the main thread.
  await expect.poll(() => readdirSync("/proc/self/fd").length).toBeLessThanOrEqual(before);
});

const program = (body: string) => `
  import { NetworkNamespace, RouteSocket } from ${JSON.stringify(new URL("./index.ts", import.meta.url).href)};
  using netns = NetworkNamespace.create();
  using route = RouteSocket.open({ netns });
  ${body}`;

test.each([
  ["ends when nothing is subscribed any more", "route.subscribe(['link'], () => {}).close();", 0],
  [
    "ends although a subscription with keepAlive false is open",
    "route.subscribe(['link'], () => {}, { keepAlive: false });",
    0,
  ],
  [
    "ends at process.exit with subscriptions open",
    "route.subscribe(['link'], () => {}); setTimeout(() => process.exit(7), 50);",
    7,
  ],
  [
    "ends at an uncaught error with subscriptions open",
    "route.subscribe(['link'], () => {}); setTimeout(() => { throw new Error('x'); }, 50);",
    1,
  ],
])("a process %s", (_, body, status) => {
  const run = spawnSync(process.execPath, ["--input-type=module", "-e", program(body)], { timeout: 50_000 });
  expect([run.signal, run.status]).toEqual([null, status]);
});
