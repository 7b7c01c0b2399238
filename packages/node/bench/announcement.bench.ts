import { buildRarp } from "@fairlead/garp/fake";
import { NetworkNamespace, PacketSocket, RouteSocket } from "@fairlead/netlink";
import { createWorkloadRoutes } from "@fairlead/routes";
import { type Bench, quantile } from "../../../scripts/bench.ts";
import { createFakeClock } from "../src/clock.ts";
import { createEar } from "../src/ear.ts";
import { createEndpointRoutes } from "../src/endpoint-routes.ts";
import { fakeAttachment } from "../src/fakes.fixture.ts";
import { createFakeMigrationMemory } from "../src/migration-files.ts";
import { createMigrations } from "../src/migrations.ts";
import { createReflexes } from "../src/reflex.ts";

const count = 300;
const mac = "02:aa:00:00:00:01";
/** Milliseconds that the main loop is kept busy around each announcement. */
const busy = 50;

/**
 * From the kernel's receipt of a guest's RARP to its acknowledgement of both elevated routes, on a real veth: with an idle main loop, and with one that
 * is held up from before the announcement until long after it.
 */
export default async function benchmark(bench: Bench): Promise<void> {
  using node = NetworkNamespace.create();
  using pod = NetworkNamespace.create();
  using route = RouteSocket.open({ netns: node });
  using inside = RouteSocket.open({ netns: pod });
  const name = "cali-bench";
  const link = route.links.add({
    kind: "veth",
    name,
    up: true,
    peer: { name: "eth0", netns: pod, address: mac, up: true },
  });
  using guest = PacketSocket.open({ netns: pod, linkIndex: inside.links.get("eth0")?.index ?? 0 });
  using reflexes = createReflexes();
  const workloadRoutes = createWorkloadRoutes({ route });
  let samples: number[] = [];
  let heard = Promise.withResolvers<void>();
  const timeline = { record() {} };
  const migrations = createMigrations({
    routes: createEndpointRoutes({ routes: workloadRoutes, timeline, macOf: () => mac, onError: fail }),
    ear: createEar({
      reflexes,
      netns: node,
      guestMacOf: () => mac,
      elevationOf: ({ hostInterface }, rank) => workloadRoutes.planState(hostInterface, "elevated", rank),
      onProblem: fail,
    }),
    rivals: { look: async () => ({ rank: 0, isPresent: false }) },
    promoter: { promote() {}, stop() {}, pending: () => 0 },
    memory: createFakeMigrationMemory(),
    clock: createFakeClock(),
    timeline,
    convergence: () => 30_000,
    onState: (_, { state }) => state === "Live" && heard.resolve(),
    onElevated: (seconds) => samples.push(seconds * 1e6),
  });
  // Listening alone does not keep the process.
  const alive = setInterval(() => {}, 60_000);
  const floor = {
    name: "two routes in one netlink batch",
    value: quantile(bareRoutes(route, link.index), 0.5),
  };
  for (const [load, rounds, work] of [
    ["idle main loop", count, () => {}],
    [`main loop busy for ${busy} ms`, 200, () => spin(busy)],
  ] as const) {
    samples = [];
    for (let i = 0; i < rounds; i++) {
      heard = Promise.withResolvers();
      const target = fakeAttachment("vm", {
        hostInterface: name,
        containerId: `c${load}${i}`,
        linkIndex: link.index,
        role: "target",
        migrationUid: "m",
      });
      const migration = { uid: "m", createdAt: "2026-01-01T00:00:00Z" };
      migrations.follow(target, migration);
      migrations.tell(target, { type: "Named", migration });
      await migrations.listening(target);
      guest.send(buildRarp(mac));
      work();
      await heard.promise;
      migrations.drop(target);
    }
    bench.report({ name: `first announcement, ${load}`, value: samples[0] ?? 0, unit: "µs", floor });
    for (const q of [0.5, 0.99])
      bench.report({
        name: `announcement to both kernel routes, ${load}, p${q * 100}`,
        value: quantile(samples, q),
        unit: "µs",
        floor,
      });
  }
  clearInterval(alive);
  migrations.close();
}

/** Allocates as it goes, so that the collector has its turn too. */
function spin(milliseconds: number): void {
  const end = performance.now() + milliseconds;
  let kept: unknown[] = [];
  while (performance.now() < end) kept = kept.length > 1000 ? [] : [...kept, { at: performance.now() }];
}

function bareRoutes(route: RouteSocket, linkIndex: number): number[] {
  const destinations = ["10.244.9.9/32", "fd00:10:244::9/128"];
  return Array.from({ length: count }, () => {
    const from = process.hrtime.bigint();
    route.routes.batch(
      destinations.map((destination) => ({
        op: "replace",
        route: { destination, linkIndex, metric: 512, protocol: 80 },
      })),
    );
    const took = Number(process.hrtime.bigint() - from) / 1e3;
    route.routes.batch(
      destinations.map((destination) => ({ op: "delete", route: { destination, linkIndex, metric: 512 } })),
    );
    return took;
  });
}

function fail(error: unknown): never {
  throw error;
}
