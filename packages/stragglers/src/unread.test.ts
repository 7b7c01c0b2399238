import type { Frame } from "@fairlead/netlink";
import fc from "fast-check";
import { expect, it } from "vitest";
import { Unread } from "./unread.ts";

/** A tap whose queue holds four, its program, and the socket that copies. Frames are numbers. */
class World {
  readonly queue: number[] = [];
  readonly copies: number[] = [];
  readonly read: number[] = [];
  sent = 0;
  unsent = 0;
  #last = 0;
  isCopied = false;

  arrive(): void {
    const frame = ++this.#last;
    if (this.isCopied) this.copies.push(frame);
    if (this.queue.length < 4) this.queue.push(frame);
    else this.unsent++;
  }

  readOne(): void {
    const frame = this.queue.shift();
    if (frame === undefined) return;
    this.read.push(frame);
    this.sent++;
  }

  catchUpWith(): void {
    while (this.queue.length > 0) this.readOne();
  }

  follow(): Unread {
    const before = this.#progress();
    this.isCopied = true;
    const socket = {
      skip: (count: number) => this.copies.splice(0, count).length,
      receive: () => {
        const number = this.copies.shift();
        return number === undefined ? undefined : ({ length: number } as Frame);
      },
    };
    return new Unread(socket, () => this.#progress(), before);
  }

  readonly #progress = () => ({ sent: this.sent, unsent: this.unsent });
}

function numbers(unread: Unread): number[] {
  const found: number[] = [];
  unread.catchUp();
  for (let frame = unread.next(); frame; frame = unread.next()) found.push(frame.length);
  return found;
}

it("is what was queued and not read, in order", () => {
  const world = new World();
  const unread = world.follow();
  for (let i = 0; i < 3; i++) world.arrive();
  world.readOne();
  world.readOne();
  unread.catchUp();
  world.arrive();
  expect(numbers(unread)).toEqual([3, 4]);
});

it("has also what found no room while the program stood still", () => {
  const world = new World();
  const unread = world.follow();
  world.arrive();
  world.readOne();
  unread.catchUp();
  for (let i = 0; i < 7; i++) world.arrive();
  unread.catchUp();
  expect(world.unsent).toBe(3);
  expect(numbers(unread)).toEqual([2, 3, 4, 5, 6, 7, 8]);
});

it("whatever was queued before it began, is exact once the program has caught up", () => {
  const world = new World();
  for (let i = 0; i < 3; i++) world.arrive();
  const unread = world.follow();
  world.arrive();
  world.catchUpWith();
  unread.catchUp();
  for (let i = 0; i < 2; i++) world.arrive();
  expect(numbers(unread)).toEqual([5, 6]);
});

it("over any history in which nothing overflows: never a frame that was read, and nothing missing once it has caught up", () => {
  const step = fc.constantFrom("arrive", "read", "look", "settle");
  fc.assert(
    fc.property(fc.nat(4), fc.array(step, { maxLength: 60 }), fc.nat(4), (before, steps, after) => {
      const world = new World();
      for (let i = 0; i < before; i++) world.arrive();
      const unread = world.follow();
      let isExact = before === 0;
      for (const one of steps) {
        if (one === "arrive" && world.queue.length < 4) world.arrive();
        if (one === "read") world.readOne();
        if (one === "look") unread.catchUp();
        if (one === "settle") {
          world.catchUpWith();
          unread.catchUp();
          isExact = true;
        }
      }
      for (let i = world.queue.length; i < after; i++) world.arrive();
      const expected = [...world.queue];
      const found = numbers(unread);
      expect(found.filter((frame) => world.read.includes(frame))).toEqual([]);
      if (isExact) expect(found).toEqual(expected);
    }),
    { numRuns: 2_000 },
  );
});
