import type { Family, Frame } from "@fairlead/netlink";
import { afterEach, expect, it } from "vitest";
import type { Packet } from "./packet.ts";
import { Pursuit } from "./pursuit.ts";

const guest = { 4: "10.0.0.5", 6: "fd00::5" } as const;

function frameTo(family: Family, last = 5): Frame {
  const packet = Buffer.alloc(family === 4 ? 20 : 40);
  packet.set(family === 4 ? [10] : [0xfd], family === 4 ? 16 : 24);
  packet[packet.length - 1] = last;
  const header = Buffer.alloc(14);
  header.writeUInt16BE(family === 4 ? 0x0800 : 0x86dd, 12);
  const bytes = Buffer.concat([header, packet]);
  return { bytes, length: bytes.length, at: 0n, direction: "outgoing", linkIndex: 1 };
}

let pursuit: Pursuit | undefined;
afterEach(() => pursuit?.[Symbol.dispose]());

function pursue(frames: Frame[], send: (packet: Packet) => void = () => {}) {
  const sent: Family[] = [];
  const told: [Family, number][] = [];
  const problems: string[] = [];
  pursuit = new Pursuit({
    addresses: Object.values(guest),
    next: () => frames.shift(),
    send(packet) {
      send(packet);
      sent.push(packet.family);
    },
    sent: (packets, family) => told.push([family, packets]),
    problem: ({ message }) => problems.push(message),
  });
  return { pursuit, sent, told, problems };
}
const repeat = (count: number, family: Family) => Array.from({ length: count }, () => frameTo(family));

it("sends nothing of a family that has not left, and all of it when it has", () => {
  const frames = [frameTo(4), frameTo(6), frameTo(4)];
  const { pursuit, sent, told } = pursue(frames);
  pursuit.leave(6);
  expect([sent, told]).toEqual([[6], [[6, 1]]]);
  frames.push(frameTo(4), frameTo(6));
  pursuit.leave(4);
  expect(sent).toEqual([6, 4, 4, 4, 6]);
  expect(told).toEqual([
    [6, 1],
    [4, 3],
    [6, 1],
  ]);
});

it("says so when there was nothing", () => {
  const { pursuit, told } = pursue([]);
  pursuit.leave(4);
  expect(told).toEqual([[4, 0]]);
});

it("sends only what is for the guest", () => {
  const { pursuit, told } = pursue([frameTo(4), frameTo(4, 6), frameTo(6, 9)]);
  pursuit.leave(4);
  pursuit.leave(6);
  expect(told).toEqual([
    [4, 1],
    [6, 0],
  ]);
});

it("lets others have their turn in a flood, and goes on after it", async () => {
  const { pursuit, sent, told } = pursue(repeat(1_000, 4));
  pursuit.leave(4);
  expect(sent.length).toBeLessThan(1_000);
  pursuit.leave(6);
  await expect
    .poll(() => told)
    .toEqual([
      [4, 1_000],
      [6, 0],
    ]);
});

it("keeps a few thousand for the family that has not left", async () => {
  const { pursuit, told } = pursue(repeat(10_000, 6));
  pursuit.leave(4);
  await expect.poll(() => told).toEqual([[4, 0]]);
  pursuit.leave(6);
  expect(told.at(-1)).toEqual([6, 4_096]);
});

it("one that cannot be sent is told of and does not hold up the others", () => {
  let count = 0;
  const { pursuit, told, problems } = pursue(repeat(3, 4), () => {
    if (++count === 2) throw new Error("no");
  });
  pursuit.leave(4);
  expect([told, problems]).toEqual([[[4, 2]], ["no"]]);
});

it("sends nothing after it was disposed", async () => {
  const { pursuit, sent } = pursue(repeat(1_000, 4));
  pursuit.leave(4);
  pursuit[Symbol.dispose]();
  const before = sent.length;
  await new Promise((resolve) => setTimeout(resolve, 5));
  expect(sent.length).toBe(before);
});
