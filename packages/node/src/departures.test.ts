import { expect, it } from "vitest";
import { createDepartures } from "./departures.ts";
import { fakeAttachment } from "./fakes.fixture.ts";
import type { Leaver, LeaverHandlers } from "./reflex.ts";
import { createFakeTimeline } from "./timeline.ts";

function setUp() {
  const under: { leaver: Leaver; handlers: LeaverHandlers }[] = [];
  const timeline = createFakeTimeline();
  const problems: unknown[] = [];
  let packets = 0;
  const departures = createDepartures({
    reflexes: {
      seeOff(leaver, handlers) {
        const entry = { leaver, handlers };
        under.push(entry);
        return { [Symbol.dispose]: () => void under.splice(under.indexOf(entry), 1) };
      },
    },
    timeline,
    onSent: (count) => {
      packets += count;
    },
    onProblem: (error) => problems.push(error),
  });
  return { departures, under, timeline, problems, sent: () => packets };
}

const source = fakeAttachment("a");

it("a guest that leaves is seen off once, until its migration is over", () => {
  const { departures, under } = setUp();
  departures.set(source, false);
  expect(under).toEqual([]);
  departures.set(source, true);
  departures.set(source, true);
  expect(under.map(({ leaver }) => leaver)).toEqual([
    { netns: undefined, pod: source.netns, linkIndex: source.linkIndex, addresses: source.addresses },
  ]);
  departures.set(source, false);
  expect(under).toEqual([]);
});

it("what was sent is in timeline and metrics, what went wrong is told", () => {
  const { departures, under, timeline, problems, sent } = setUp();
  departures.set(source, true);
  const { handlers } = under[0]!;
  handlers.sent(3, 4);
  handlers.sent(2, 6);
  handlers.problem(new Error("no tun"));
  expect(sent()).toBe(5);
  expect(timeline.events).toEqual([
    { event: "stragglers", endpoint: "default/a/eth0", family: 4, packets: 3 },
    { event: "stragglers", endpoint: "default/a/eth0", family: 6, packets: 2 },
  ]);
  expect(problems).toEqual([new Error("no tun")]);
});

it("the end of one container does not end the next one's", () => {
  const { departures, under } = setUp();
  const next = { ...source, containerId: "next" };
  departures.set(source, true);
  departures.set(next, true);
  expect(under).toHaveLength(1);
  departures.set(source, false);
  expect(under).toHaveLength(1);
  departures.set(next, false);
  expect(under).toEqual([]);
});

it("an endpoint without an interface has nothing to wait for, and nothing goes on after close", () => {
  const { departures, under } = setUp();
  const { linkIndex: _, ...unwired } = source;
  departures.set(unwired, true);
  expect(under).toEqual([]);
  departures.set(source, true);
  departures.close();
  expect(under).toEqual([]);
});
