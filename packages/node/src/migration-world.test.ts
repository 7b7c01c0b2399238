import fc from "fast-check";
import { expect, it } from "vitest";
import { createFakeClock } from "./clock.ts";
import { createFakeEar, createFakeRoutes, fakeAttachment } from "./fakes.fixture.ts";
import type { MigrationInput, RoutePriority } from "./migration.ts";
import type { Rivalry } from "./migration-components.ts";
import { createFakeMigrationMemory } from "./migration-files.ts";
import { createMigrations, type Migrations } from "./migrations.ts";
import { createFakeTimeline } from "./timeline.ts";

/** What may happen next, to whatever is there: numbers are taken modulo what there is. */
type Step =
  | {
      readonly do:
        | "migrate"
        | "handOff"
        | "switchOver"
        | "tellOfSwitch"
        | "succeed"
        | "fail"
        | "finishSource"
        | "move";
    }
  | { readonly do: "deliver" | "restart" | "goAway" | "comeBack"; readonly node: number }
  | { readonly do: "wait"; readonly milliseconds: number };

const convergence = 30_000;
const nodeCount = 3;

interface TestEndpoint {
  readonly node: number;
  readonly attachment: ReturnType<typeof fakeAttachment>;
  readonly uid: string;
}

/**
 * One VM that moves over three nodes. The truth is in `home`; the nodes learn it by messages that are delivered late, each node at its own
 * pace, the newest of each endpoint replacing older ones as a watch does, and by announcements, which are heard at once or missed. An agent
 * may be away for as long as it likes: its routes stay, and its pods cannot be taken away.
 */
class World {
  readonly clock = createFakeClock();
  readonly routes = createFakeRoutes();
  readonly memory = createFakeMigrationMemory();
  readonly ear = createFakeEar();
  readonly #agents: (Migrations | undefined)[] = Array.from({ length: nodeCount }, () => this.#start());
  readonly #mail = Array.from({ length: nodeCount }, () => new Map<TestEndpoint, MigrationInput>());
  readonly endpoints: TestEndpoint[] = [];
  home: TestEndpoint;
  moving: { target: TestEndpoint; named: boolean; switched: boolean } | undefined;
  #count = 0;

  constructor() {
    this.home = this.#newEndpoint(0, false);
  }

  #start(): Migrations {
    const { clock, routes, memory, ear } = this;
    const promoter = { promote() {}, stop() {}, pending: () => 0 };
    return createMigrations({
      clock,
      routes,
      memory,
      ear,
      promoter,
      rivals: { look: async ({ hostInterface }) => this.#rivalryOf(hostInterface) },
      timeline: createFakeTimeline(),
      convergence: () => convergence,
      onState() {},
    });
  }

  /** What BIRD and the pods of the VM say. */
  #rivalryOf(hostInterface: string): Rivalry {
    const own = this.endpoints.find(({ attachment }) => attachment.hostInterface === hostInterface);
    const others = this.endpoints.filter(({ node }) => node !== own?.node);
    const elevated = others.filter((one) => this.priorityOf(one) === "elevated");
    const ranks = elevated.map(({ attachment }) => this.routes.rankOf(attachment) + 1);
    return { rank: Math.max(0, ...ranks), isPresent: others.length > 0 };
  }

  #newEndpoint(node: number, isTarget: boolean): TestEndpoint {
    const uid = `m${++this.#count}`;
    const attachment = fakeAttachment(
      `pod-${this.#count}`,
      isTarget ? { role: "target", migrationUid: uid } : {},
    );
    const endpoint = { node, attachment, uid };
    this.endpoints.push(endpoint);
    this.#agents[node]!.follow(attachment, isTarget ? this.#identity(uid) : undefined);
    return endpoint;
  }

  readonly #identity = (uid: string) => ({ uid, createdAt: new Date(this.clock.now()).toISOString() });

  #post(endpoint: TestEndpoint, input: MigrationInput): void {
    if (this.endpoints.includes(endpoint)) this.#mail[endpoint.node]!.set(endpoint, input);
  }

  deliver(node: number): void {
    const agent = this.#agents[node];
    if (!agent) return;
    for (const [endpoint, input] of this.#mail[node]!) agent.tell(endpoint.attachment, input);
    this.#mail[node]!.clear();
  }

  /** The agent is killed; its routes stay. */
  goAway(node: number): void {
    this.#agents[node]?.close();
    this.#agents[node] = undefined;
  }

  comeBack(node: number): void {
    if (this.#agents[node]) return;
    const agent = this.#start();
    this.#agents[node] = agent;
    for (const { node: where, attachment, uid } of this.endpoints)
      if (where === node)
        agent.resume(attachment, attachment.role === "target" ? this.#identity(uid) : undefined);
  }

  restart(node: number): void {
    this.goAway(node);
    this.comeBack(node);
  }

  /** The next node whose agent can wire a pod. A pod that could not be taken away is no reason to wait. */
  migrate(): void {
    const nodes = [1, 2].map((step) => (this.home.node + step) % nodeCount);
    const node = nodes.find((one) => this.#agents[one]);
    const isWaiting = this.endpoints.some((one) => one !== this.home && this.#agents[one.node]);
    if (this.moving || node === undefined || isWaiting) return;
    this.clock.advance(1_000);
    const target = this.#newEndpoint(node, true);
    this.moving = { target, named: false, switched: false };
    this.#post(target, { type: "Expected", migration: this.#identity(target.uid) });
  }

  /** KubeVirt names source and target, and their nodes hear of it before the guest can move: seconds pass in between. */
  handOff(): void {
    if (!this.moving || this.moving.named) return;
    this.moving.named = true;
    const { target } = this.moving;
    this.#post(this.home, { type: "Leaving" });
    this.#post(target, { type: "Named", migration: this.#identity(target.uid) });
    this.deliver(this.home.node);
    this.deliver(target.node);
  }

  switchOver(): void {
    if (!this.moving?.named || this.moving.switched) return;
    this.moving.switched = true;
    this.ear.announce(this.moving.target.attachment);
  }

  /** KubeVirt sees the guest run on the target; its memory may follow for as long as it likes. */
  tellOfSwitch(): void {
    if (this.moving?.switched) this.#post(this.moving.target, { type: "Switched" });
  }

  succeed(): void {
    if (!this.moving?.switched) return;
    const source = this.home;
    this.home = this.moving.target;
    this.moving = undefined;
    this.#post(source, { type: "Elsewhere" });
    this.#post(this.home, { type: "Arrived" });
  }

  /** A guest that has switched is on the target or nowhere. */
  fail(): void {
    if (!this.moving || this.moving.switched) return;
    this.#post(this.moving.target, { type: "Elsewhere" });
    this.moving = undefined;
  }

  /** A whole migration, and all who are there hear of it. */
  move(): void {
    this.migrate();
    this.handOff();
    this.switchOver();
    this.succeed();
    for (let node = 0; node < nodeCount; node++) this.deliver(node);
  }

  /** KubeVirt takes away the pods in which the guest is not, where somebody serves DEL. */
  finishSource(): void {
    if (this.moving) return;
    for (const endpoint of this.endpoints.filter((one) => one !== this.home)) {
      const agent = this.#agents[endpoint.node];
      if (!agent) continue;
      agent.drop(endpoint.attachment);
      this.#mail[endpoint.node]!.delete(endpoint);
      this.endpoints.splice(this.endpoints.indexOf(endpoint), 1);
    }
  }

  isServed = ({ node }: TestEndpoint): boolean => this.#agents[node] !== undefined;

  /** The pod in which the guest runs. */
  guest = (): TestEndpoint => (this.moving?.switched ? this.moving.target : this.home);

  priorityOf = ({ attachment }: TestEndpoint): RoutePriority => this.routes.read(attachment);

  /** Lower is better, as in the kernel. */
  metricOf(endpoint: TestEndpoint): number {
    const priority = this.priorityOf(endpoint);
    if (priority === "withdrawn") return Number.POSITIVE_INFINITY;
    return priority === "normal" ? 1024 : 512 - this.routes.rankOf(endpoint.attachment);
  }

  apply(step: Step): void {
    if ("node" in step) this[step.do](step.node % nodeCount);
    else if (step.do === "wait") this.clock.advance(step.milliseconds);
    else this[step.do]();
  }
}

/** Whoever looked for rivals has an answer. */
const settled = () => new Promise(setImmediate);

const steps = fc.array(
  fc.oneof(
    {
      weight: 5,
      arbitrary: fc.constantFrom<Step>(
        { do: "migrate" },
        { do: "handOff" },
        { do: "switchOver" },
        { do: "tellOfSwitch" },
        { do: "succeed" },
        { do: "finishSource" },
      ),
    },
    {
      weight: 1,
      arbitrary: fc.constantFrom<Step>(
        { do: "fail" },
        { do: "move" },
        { do: "wait", milliseconds: convergence },
      ),
    },
    {
      weight: 4,
      arbitrary: fc.record({
        do: fc.constantFrom("deliver" as const, "restart" as const, "goAway" as const, "comeBack" as const),
        node: fc.nat(nodeCount - 1),
      }),
    },
    { weight: 1, arbitrary: fc.record({ do: fc.constant("wait" as const), milliseconds: fc.nat(40_000) }) },
  ),
  { maxLength: 60 },
);

it("over any history of moves, failures, restarts, absences and late news", async () => {
  await fc.assert(
    fc.asyncProperty(steps, async (history) => {
      const world = new World();
      for (const step of history) {
        world.apply(step);
        await settled();
        const { moving, home } = world;
        // I3: a target attracts nothing before its guest is there.
        if (moving && !moving.switched) expect(world.priorityOf(moving.target)).toBe("withdrawn");
        // I4: until the guest has moved the source has its route, as far as its agent knows that it came there.
        if (moving && !moving.switched && world.endpoints.length <= 2 && world.isServed(home))
          expect(["normal", "elevated"]).toContain(world.priorityOf(home));
        // As long as another pod may have a route, that of the place the guest came to takes precedence, whoever is away.
        const guest = world.guest();
        const others = world.endpoints.filter(({ node }) => node !== guest.node);
        if (world.priorityOf(guest) !== "withdrawn" && world.isServed(guest))
          for (const other of others)
            if (world.priorityOf(other) !== "withdrawn")
              expect(world.metricOf(guest)).toBeLessThan(world.metricOf(other));
      }
      // I4, I5, I7: when all news has arrived and time has passed, one node has the route, with the normal priority.
      world.fail();
      world.succeed();
      for (let node = 0; node < nodeCount; node++) world.comeBack(node);
      for (let node = 0; node < nodeCount; node++) world.deliver(node);
      world.finishSource();
      await settled();
      for (let elapsed = 0; elapsed <= convergence; elapsed += 5_000) {
        world.clock.advance(5_000);
        await settled();
      }
      for (const endpoint of world.endpoints)
        expect(world.priorityOf(endpoint)).toBe(endpoint === world.home ? "normal" : "withdrawn");
    }),
    { numRuns: 2_000 },
  );
});
