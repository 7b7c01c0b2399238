import fc from "fast-check";
import { expect, it } from "vitest";
import { createFakeClock } from "./clock.ts";
import { createFakeEar, createFakeRoutes, fakeAttachment } from "./fakes.fixture.ts";
import type { MigrationInput, RoutePriority } from "./migration.ts";
import { createFakeMigrationMemory } from "./migration-files.ts";
import { createMigrations, type Migrations } from "./migrations.ts";
import { createFakeTimeline } from "./timeline.ts";

/** What may happen next, to whatever is there: numbers are taken modulo what there is. */
type Step =
  | { readonly do: "migrate" | "switchOver" | "tellOfSwitch" | "succeed" | "fail" | "finishSource" }
  | { readonly do: "deliver" | "restart"; readonly node: number }
  | { readonly do: "wait"; readonly milliseconds: number };

const convergence = 30_000;
const nodeCount = 3;

interface TestEndpoint {
  readonly node: number;
  readonly attachment: ReturnType<typeof fakeAttachment>;
  readonly uid: string;
}

/**
 * One VM that moves over three nodes. The truth is in `home`; the nodes learn it by messages that are delivered late, each node at its own pace,
 * the newest of each endpoint replacing older ones as a watch does, and by announcements, which are heard at once or missed.
 */
class World {
  readonly clock = createFakeClock();
  readonly routes = createFakeRoutes();
  readonly memory = createFakeMigrationMemory();
  readonly ear = createFakeEar();
  readonly #agents: Migrations[] = Array.from({ length: nodeCount }, () => this.#start());
  readonly #mail = Array.from({ length: nodeCount }, () => new Map<TestEndpoint, MigrationInput>());
  readonly endpoints: TestEndpoint[] = [];
  home: TestEndpoint;
  moving: { target: TestEndpoint; switched: boolean } | undefined;
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
      timeline: createFakeTimeline(),
      convergence: () => convergence,
      onState() {},
    });
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
    for (const [endpoint, input] of this.#mail[node]!) this.#agents[node]!.tell(endpoint.attachment, input);
    this.#mail[node]!.clear();
  }

  restart(node: number): void {
    this.#agents[node]!.close();
    this.#agents[node] = this.#start();
    for (const { node: where, attachment, uid } of this.endpoints)
      if (where === node)
        this.#agents[node]!.follow(
          attachment,
          attachment.role === "target" ? this.#identity(uid) : undefined,
        );
  }

  /** KubeVirt names source and target, and the node of the source hears of it before the guest can move: seconds pass in between. */
  migrate(): void {
    if (this.moving || this.endpoints.some((one) => one !== this.home)) return;
    this.clock.advance(1_000);
    const target = this.#newEndpoint((this.home.node + 1) % nodeCount, true);
    this.moving = { target, switched: false };
    this.#post(this.home, { type: "Leaving" });
    this.#post(target, { type: "Expected", migration: this.#identity(target.uid) });
    this.deliver(this.home.node);
  }

  switchOver(): void {
    if (!this.moving || this.moving.switched) return;
    this.moving.switched = true;
    this.ear.announce(this.moving.target.attachment);
  }

  /** KubeVirt sees the guest run on the target; its memory may follow for as long as it likes. */
  tellOfSwitch(): void {
    if (this.moving?.switched) this.#post(this.moving.target, { type: "Switched" });
  }

  succeed(): void {
    if (!this.moving) return;
    const source = this.home;
    this.home = this.moving.target;
    this.moving = undefined;
    this.#post(source, { type: "Elsewhere" });
    this.#post(this.home, { type: "Arrived" });
  }

  fail(): void {
    if (!this.moving) return;
    this.#post(this.moving.target, { type: "Elsewhere" });
    this.moving = undefined;
  }

  /** KubeVirt takes away the pods in which the guest is not. */
  finishSource(): void {
    if (this.moving) return;
    for (const endpoint of this.endpoints.filter((one) => one !== this.home)) {
      this.#agents[endpoint.node]!.drop(endpoint.attachment);
      this.#mail[endpoint.node]!.delete(endpoint);
      this.endpoints.splice(this.endpoints.indexOf(endpoint), 1);
    }
  }

  priorityOf = ({ attachment }: TestEndpoint): RoutePriority => this.routes.read(attachment);

  apply(step: Step): void {
    if (step.do === "deliver" || step.do === "restart") this[step.do](step.node % nodeCount);
    else if (step.do === "wait") this.clock.advance(step.milliseconds);
    else this[step.do]();
  }
}

const steps = fc.array(
  fc.oneof(
    {
      weight: 4,
      arbitrary: fc.constantFrom<Step>(
        { do: "migrate" },
        { do: "switchOver" },
        { do: "tellOfSwitch" },
        { do: "succeed" },
        { do: "finishSource" },
      ),
    },
    { weight: 1, arbitrary: fc.constant<Step>({ do: "fail" }) },
    {
      weight: 3,
      arbitrary: fc.record({
        do: fc.constantFrom("deliver" as const, "restart" as const),
        node: fc.nat(nodeCount - 1),
      }),
    },
    { weight: 1, arbitrary: fc.record({ do: fc.constant("wait" as const), milliseconds: fc.nat(40_000) }) },
  ),
  { maxLength: 60 },
);

it("over any history of moves, failures, restarts and late news", () => {
  fc.assert(
    fc.property(steps, (history) => {
      const world = new World();
      for (const step of history) {
        world.apply(step);
        const { moving, home } = world;
        // I3: a target attracts nothing before its guest is there.
        if (moving && !moving.switched) expect(world.priorityOf(moving.target)).toBe("withdrawn");
        // I4: until the guest has moved the source has its route.
        if (moving && !moving.switched && world.endpoints.length <= 2)
          expect(["normal", "elevated"]).toContain(world.priorityOf(home));
        // As long as the source has its route, that of the target takes precedence.
        if (moving) expect(world.priorityOf(moving.target)).not.toBe("normal");
        // Two elevated routes for one address would split its traffic.
        expect(
          world.endpoints.filter((one) => world.priorityOf(one) === "elevated").length,
        ).toBeLessThanOrEqual(1);
      }
      // I4, I5, I7: when all news has arrived and time has passed, one node has the route, with the normal priority.
      world.fail();
      for (let node = 0; node < nodeCount; node++) world.deliver(node);
      world.clock.advance(convergence);
      for (const endpoint of world.endpoints)
        expect(world.priorityOf(endpoint)).toBe(endpoint === world.home ? "normal" : "withdrawn");
    }),
    { numRuns: 2_000 },
  );
});
