import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { activePodName } from "./active-pod.ts";
import { identifyWorkload, type Workload } from "./identify.ts";
import { IdentityError } from "./identity-error.ts";
import { compareEpochs, migrationsOnNode, type PodMigration } from "./migrations.ts";
import { migrationUidLabel } from "./names.ts";
import { isFinal, progressOf } from "./progress.ts";
import { type Move, type Outcome, Scenario, type Snapshot } from "./scenario.fixture.ts";

const outcomes: readonly Outcome[] = [
  "success",
  "postCopy",
  "targetPodDies",
  "qemuFails",
  "cancelEarly",
  "cancelLate",
];
const nodes = ["a", "b", "c"];

const move = (to: string, outcome: Outcome, more: Partial<Move> = {}): Move => ({
  to,
  outcome,
  isForgotten: false,
  isOldStyle: false,
  ...more,
});

/** Anti-affinity: KubeVirt never puts the target where the VM is. */
function play(moves: readonly Move[]): Snapshot[] {
  const scenario = new Scenario("a");
  for (const one of moves) {
    const last = scenario.history.at(-1);
    const here = last?.pods.find(({ metadata }) => metadata.name === last.truth.active)?.spec.nodeName ?? "a";
    const to = one.to === here ? (nodes[(nodes.indexOf(here) + 1) % nodes.length] ?? "b") : one.to;
    scenario.move({ ...one, to });
  }
  return scenario.history;
}

const parts = ({ pods, vmi, migrations }: Pick<Snapshot, "pods" | "vmi" | "migrations">): PodMigration[] =>
  nodes.flatMap((node) => migrationsOnNode({ pods, instances: [vmi], migrations }, node));
const brief = (snapshot: Snapshot) =>
  parts(snapshot).map(
    ({ pod, role, progress }) => `${pod.replace("shop/virt-launcher-", "")} ${role} ${progress}`,
  );

describe("the course of one migration", () => {
  const timeline = (outcome: Outcome, more?: Partial<Move>) => {
    const seen: string[] = [];
    for (const snapshot of play([move("b", outcome, more)])) {
      const now = brief(snapshot).join(", ");
      if (!seen.at(-1)?.endsWith(`: ${now}`)) seen.push(`${snapshot.what}: ${now}`);
    }
    return seen;
  };

  test("success is reported with KubeVirt's acknowledgement, not before", () => {
    expect(timeline("success")).toMatchInlineSnapshot(`
      [
        "running: ",
        "migration Pending: 0 source preparing",
        "target pod listed: 0 source preparing, 1 target preparing",
        "started: 0 source running, 1 target running",
        "acknowledged: 0 source succeeded, 1 target succeeded",
      ]
    `);
  });

  test("a failure never looks like success, whether or not the migration is forgotten", () => {
    for (const isForgotten of [false, true])
      for (const isOldStyle of [false, true]) {
        const seen = timeline("qemuFails", { isForgotten, isOldStyle });
        expect(seen.at(-1)).toBe("failed: 0 source failed, 1 target failed");
      }
  });

  test("a cancelled migration is cancelled", () => {
    expect(brief(play([move("b", "cancelLate")]).at(-1) as Snapshot)).toEqual([
      "0 source cancelled",
      "1 target cancelled",
    ]);
  });

  test("a target whose migration vanished before the hand-off is gone, not successful", () => {
    const history = play([move("b", "targetPodDies", { isForgotten: true })]);
    expect(brief(history.at(-1) as Snapshot)).toEqual(["1 target gone"]);
  });

  test("post-copy: the guest has switched over long before the migration has succeeded", () => {
    const copying = play([move("b", "postCopy")]).find(({ what }) => what === "copying behind");
    const [source, target] = parts(copying as Snapshot);
    expect(source).toMatchObject({ role: "source", progress: "running", hasSwitchedOver: true });
    expect(target).toMatchObject({ role: "target", progress: "running", hasSwitchedOver: true });
  });

  test("a migration so fast that only its end is seen is still told by its witness", () => {
    const last = play([move("b", "success")]).at(-1) as Snapshot;
    const [migration] = last.migrations;
    const migrationUid = migration?.metadata.uid ?? "";
    expect(progressOf({ migrationUid, migration, vmi: last.vmi })).toBe("succeeded");
    expect(progressOf({ migrationUid, migration, vmi: undefined })).toBe("succeeded");
    expect(progressOf({ migrationUid, migration: undefined, vmi: last.vmi })).toBe("succeeded");
    expect(progressOf({ migrationUid, migration: undefined, vmi: undefined })).toBe("gone");
  });
});

test("A to B to A: the finished pod on A is not taken for the one the VM is in", () => {
  const history = play([move("b", "success"), move("a", "success")]);
  const last = history.at(-1) as Snapshot;
  const onA = migrationsOnNode({ pods: last.pods, instances: [last.vmi], migrations: last.migrations }, "a");
  expect(onA.map(({ pod, role, progress }) => [pod === `shop/${last.truth.active}`, role, progress])).toEqual(
    [
      [false, "source", "succeeded"],
      [true, "target", "succeeded"],
    ],
  );
});

test("the state of the last migration means nothing for the next one", () => {
  const history = play([move("b", "success"), move("c", "success")]);
  const second = history.findLastIndex(({ what }) => what === "migration created");
  const handOff = history.findIndex(({ what }, i) => i > second && what === "hand-off");
  for (const snapshot of history.slice(second + 2, handOff)) {
    const newest = parts(snapshot).filter(({ progress }) => !isFinal(progress));
    expect(newest.map(({ progress }) => progress)).toContain("preparing");
    expect(newest.some(({ hasSwitchedOver }) => hasSwitchedOver)).toBe(false);
  }
});

test("a pod that claims another pod's migration takes no part in it", () => {
  const started = play([move("b", "success")]).find(({ what }) => what === "started") as Snapshot;
  const target = started.pods[1];
  if (!target) throw new Error("no target");
  const forged = { ...target, metadata: { ...target.metadata, name: "forged", uid: "uid-forged" } };
  const found = migrationsOnNode(
    { pods: [forged], instances: [started.vmi], migrations: started.migrations },
    "b",
  );
  expect(found).toEqual([]);
});

const moves = fc.array(
  fc.record({
    to: fc.constantFrom(...nodes),
    outcome: fc.constantFrom(...outcomes),
    isForgotten: fc.boolean(),
    isOldStyle: fc.boolean(),
  }),
  { minLength: 1, maxLength: 4 },
);

describe("for every history of migrations", () => {
  test("success is never reported before it is true, however stale each watch is", () => {
    fc.assert(
      fc.property(moves, fc.infiniteStream(fc.nat()), (moves, random) => {
        const history = play(moves);
        const pick = () => Number(random.next().value) % history.length;
        for (let i = 0; i < 30; i++) {
          const [p, v, m] = [pick(), pick(), pick()];
          const at = (index: number) => history[index] as Snapshot;
          const newest = at(Math.max(p, v, m));
          const seen = parts({ pods: at(p).pods, vmi: at(v).vmi, migrations: at(m).migrations });
          for (const { migrationUid, progress } of seen)
            if (progress === "succeeded") expect(newest.truth.succeeded).toContain(migrationUid);
        }
      }),
    );
  });

  test("with all watches caught up, each pod's part is what really happened", () => {
    fc.assert(
      fc.property(moves, (moves) => {
        for (const snapshot of play(moves)) {
          const { truth, vmi } = snapshot;
          const found = parts(snapshot);
          expect(new Set(found.map(({ pod }) => pod)).size).toBe(found.length);
          expect(activePodName(vmi) ?? truth.active).toBe(truth.active);
          for (const { role, progress, migrationUid, pod } of found) {
            const name = pod.replace("shop/", "");
            const finished =
              snapshot.pods.find(({ metadata }) => metadata.name === name)?.status?.phase === "Succeeded";
            // Of a finished pod whose migration is forgotten and overtaken, nobody knows any more.
            if (finished && progress === "gone") expect(migrationOf(snapshot, migrationUid)).toBeUndefined();
            else if (truth.succeeded.includes(migrationUid)) expect(progress).toBe("succeeded");
            else expect(progress).not.toBe("succeeded");
            if (name === truth.target) expect([role, isFinal(progress)]).toEqual(["target", false]);
          }
        }
        const last = play(moves).at(-1) as Snapshot;
        for (const { progress } of parts(last)) expect(isFinal(progress)).toBe(true);
      }),
    );
  });

  test("exactly one pod is active, the target is the target, and all others are former", () => {
    fc.assert(
      fc.property(moves, (moves) => {
        for (const { pods, vmi, vm, migrations, truth, what } of play(moves)) {
          for (const pod of pods) {
            const uid = pod.metadata.labels?.[migrationUidLabel];
            const migration = migrations.find(({ metadata }) => metadata.uid === uid);
            const workload = identifyWorkload({ pod, vmi, vm, migration });
            if (workload.kind === "retry") {
              expect(what).not.toBe("migration Running");
              continue;
            }
            const { name } = pod.metadata;
            const expected = name === truth.active ? "active" : name === truth.target ? "target" : "former";
            expect([name, roleOf(workload)], what).toEqual([name, expected]);
          }
        }
      }),
    );
  });

  test("no objects, however mixed up, make it throw anything but a refusal, and a stranger is never active", () => {
    fc.assert(
      fc.property(moves, fc.infiniteStream(fc.nat()), (moves, random) => {
        const history = play(moves);
        const pick = () => history[Number(random.next().value) % history.length] as Snapshot;
        const [one, two, three] = [pick(), pick(), pick()];
        for (const pod of one.pods) {
          const stranger = { ...pod, metadata: { ...pod.metadata, uid: "uid-stranger", name: "stranger" } };
          try {
            identifyWorkload({ pod, vmi: two.vmi, vm: three.vm, migration: three.migrations[0] });
            const claimed = identifyWorkload({
              pod: stranger,
              vmi: two.vmi,
              vm: two.vm,
              migration: three.migrations[0],
            });
            expect(claimed.kind === "vm" && claimed.role !== "former").toBe(false);
          } catch (error) {
            expect(error).toBeInstanceOf(IdentityError);
          }
        }
      }),
    );
  });

  test("epochs order the migrations of a VM as they happened", () => {
    fc.assert(
      fc.property(moves, (moves) => {
        const { vmi, pods, migrations, truth } = play(moves).at(-1) as Snapshot;
        const targets = parts({ pods, vmi, migrations }).filter(({ role, migrationUid }) => {
          return role === "target" && migrations.some(({ metadata }) => metadata.uid === migrationUid);
        });
        const order = (uid: string) => Number(uid.replace("uid-vmim-", ""));
        const sorted = [...targets].sort((a, b) => compareEpochs(a.epoch, b.epoch));
        expect(sorted.map(({ migrationUid }) => order(migrationUid))).toEqual(
          targets.map(({ migrationUid }) => order(migrationUid)).sort((a, b) => a - b),
        );
        expect(truth.target).toBeUndefined();
      }),
    );
  });
});

function roleOf(workload: Workload): string {
  return workload.kind === "vm" ? workload.role : workload.kind;
}

function migrationOf({ migrations }: Snapshot, uid: string) {
  return migrations.find(({ metadata }) => metadata.uid === uid);
}
