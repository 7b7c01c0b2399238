import { localPreferenceOf } from "@fairlead/bgp";
import { createFakeBird } from "@fairlead/bgp/fake";
import { expect, it } from "vitest";
import { fakeAttachment } from "./fakes.fixture.ts";
import { createRivals } from "./rivals.ts";

const vm = fakeAttachment("b", { addresses: ["10.244.0.9", "fd00:10:244::9"] });
const [four, six] = ["10.244.0.9/32", "fd00:10:244::9/128"] as const;

/** What the node's BIRD has learned from others. */
const heard = (...routes: readonly [network: string, metric: number][]) =>
  routes.map(([network, metric]) => ({
    network,
    source: "BGP",
    protocol: "bgp_tor",
    primary: false,
    preference: 200,
    localPreference: localPreferenceOf(metric),
    communities: [],
  }));

function setUp(priorities?: Parameters<typeof createRivals>[0]["priorities"]) {
  const bird = createFakeBird();
  const problems: unknown[] = [];
  const wired = { elsewhere: false };
  const rivals = createRivals({
    bird,
    priorities,
    isWiredElsewhere: () => wired.elsewhere,
    onProblem: (error) => problems.push(error),
  });
  return { bird, problems, wired, rivals };
}

it.each([
  ["nothing", [], { rank: 0, isPresent: false }],
  ["a route at rest", [[four, 1024]], { rank: 0, isPresent: true }],
  ["an elevated one", [[six, 512]], { rank: 1, isPresent: true }],
  [
    "a better one of the other family",
    [
      [four, 512],
      [six, 500],
    ],
    { rank: 13, isPresent: true },
  ],
  ["the best of the band, which cannot be bettered", [[four, 481]], { rank: 31, isPresent: true }],
  ["one better than the band", [[four, 3]], { rank: 31, isPresent: true }],
  ["another address", [["10.244.0.8/32", 512]], { rank: 0, isPresent: false }],
] as const)("where others announce %s", async (_, routes, expected) => {
  const { bird, rivals } = setUp();
  bird.table = heard(...(routes as readonly [string, number][]));
  expect(await rivals.look(vm)).toEqual(expected);
});

it("each family has its own band", async () => {
  const { bird, rivals } = setUp({
    ipv4: { normal: 1024, elevated: 512 },
    ipv6: { normal: 200, elevated: 100 },
  });
  bird.table = heard([four, 512], [six, 98]);
  expect(await rivals.look(vm)).toEqual({ rank: 3, isPresent: true });
  bird.table = heard([six, 512]);
  expect(await rivals.look(vm)).toEqual({ rank: 0, isPresent: true });
});

it("a pod of the VM that is still wired on another node is one, though nothing is heard of it", async () => {
  const { wired, rivals } = setUp();
  wired.elsewhere = true;
  expect(await rivals.look(vm)).toEqual({ rank: 0, isPresent: true });
});

it.each(["Unreachable", "Recovering"] as const)(
  "while BIRD is %s there may be some, and it is said why: once, until BIRD could tell again",
  async (code) => {
    const { bird, rivals, problems } = setUp();
    const set = (isThere: boolean) => {
      if (code === "Unreachable") bird.running = isThere;
      else bird.recovering = !isThere;
    };
    set(false);
    for (let i = 0; i < 3; i++) expect(await rivals.look(vm)).toEqual({ rank: 0, isPresent: true });
    expect(problems).toMatchObject([{ code }]);
    set(true);
    expect(await rivals.look(vm)).toEqual({ rank: 0, isPresent: false });
    set(false);
    await rivals.look(vm);
    expect(problems).toHaveLength(2);
  },
);
