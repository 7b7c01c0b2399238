import type { Speaker } from "@fairlead/bgp";
import { expect, it } from "vitest";
import { createBirdUpdater } from "./bird-updater.ts";
import { createFakeClock } from "./clock.ts";

const speaker: Speaker = {
  node: { name: "n1", ipv4: "10.0.0.1" },
  nodes: [],
  peers: [],
  filters: [],
  pools: [],
  blocks: [],
};

function setUp(apply: (text: string) => Promise<"applied">) {
  const clock = createFakeClock();
  const known: { speaker?: Speaker } = { speaker };
  const errors: unknown[] = [];
  const texts: string[] = [];
  const updater = createBirdUpdater({
    bird: {
      async apply(text) {
        texts.push(text);
        return apply(text);
      },
    },
    clock,
    read: () => known.speaker,
    selects: () => false,
    onError: (error) => errors.push(error),
  });
  const settle = async (milliseconds: number) => {
    clock.advance(milliseconds);
    for (let i = 0; i < 5; i++) await new Promise(setImmediate);
  };
  return { updater, known, texts, errors, settle };
}

it("many changes become one configuration", async () => {
  const { updater, texts, settle } = setUp(async () => "applied");
  for (let i = 0; i < 50; i++) updater.touch();
  await settle(20);
  expect(texts).toHaveLength(1);
  expect(texts[0]).toContain("router id 10.0.0.1");
});

it("a change that comes while BIRD is being told is told afterwards", async () => {
  const gate = Promise.withResolvers<void>();
  const { updater, texts, settle } = setUp(async () => {
    await gate.promise;
    return "applied";
  });
  updater.touch();
  await settle(20);
  updater.touch();
  gate.resolve();
  await settle(0);
  await settle(20);
  expect(texts).toHaveLength(2);
});

it("a BIRD that refuses or is gone is tried again", async () => {
  let failures = 2;
  const { updater, texts, errors, settle } = setUp(async () => {
    if (failures-- > 0) throw new Error("no");
    return "applied";
  });
  updater.touch();
  await settle(20);
  await settle(2_000);
  await settle(2_000);
  expect([texts.length, errors.length]).toEqual([3, 2]);
});

it("nothing is written before the node's own object is known, nor after the end", async () => {
  const { updater, known, texts, settle } = setUp(async () => "applied");
  delete known.speaker;
  updater.touch();
  await settle(20);
  expect(texts).toEqual([]);
  known.speaker = speaker;
  updater.close();
  updater.touch();
  await settle(60_000);
  expect(texts).toEqual([]);
});
