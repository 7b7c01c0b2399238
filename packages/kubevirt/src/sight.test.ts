import type { Pod, VirtualMachineInstance, VirtualMachineInstanceMigration } from "@fairlead/api";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { identifyWorkload, type Workload } from "./identify.ts";
import { IdentityError } from "./identity-error.ts";
import { migrationUidLabel } from "./names.ts";
import { type Move, type Outcome, Scenario, type Snapshot } from "./scenario.fixture.ts";
import { type PodSight, sightOf } from "./sight.ts";

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

const see = ({ pods, vmi, migrations }: Pick<Snapshot, "pods" | "vmi" | "migrations">): [Pod, PodSight][] =>
  pods.map((pod) => [pod, sightOf({ pod, vmi, migrations })]);
const brief = (snapshot: Pick<Snapshot, "pods" | "vmi" | "migrations">) =>
  see(snapshot).map(
    ([{ metadata }, { place, part }]) => `${metadata.name.replace("virt-launcher-", "")} ${place} ${part}`,
  );
const withStatus = (vmi: VirtualMachineInstance, change: object): VirtualMachineInstance => ({
  ...vmi,
  status: { ...vmi.status, ...change },
});
const withState = (vmi: VirtualMachineInstance, change: object) =>
  withStatus(vmi, { migrationState: { ...vmi.status?.migrationState, ...change } });
function* withoutOneField(vmi: VirtualMachineInstance): Generator<VirtualMachineInstance> {
  const { migrationState = {}, ...status } = vmi.status ?? {};
  for (const field of Object.keys({ ...status, migrationState }))
    yield withStatus(vmi, { [field]: undefined });
  for (const field of Object.keys(migrationState)) yield withState(vmi, { [field]: undefined });
}
const at = (history: readonly Snapshot[], what: string) =>
  history.findLast((snapshot) => snapshot.what === what) as Snapshot;

describe("the course of one migration", () => {
  const timeline = (outcome: Outcome, more?: Partial<Move>) => {
    const seen: string[] = [];
    for (const snapshot of play([move("b", outcome, more)])) {
      const now = brief(snapshot).join(", ");
      if (!seen.at(-1)?.endsWith(`: ${now}`)) seen.push(`${snapshot.what}: ${now}`);
    }
    return seen;
  };

  test("the target is named by the hand-off, and the guest is where the acknowledgement says", () => {
    expect(timeline("success")).toMatchInlineSnapshot(`
      [
        "running: 0 here none",
        "migration Pending: 0 here source",
        "target pod listed: 0 here source, 1 unknown candidate",
        "hand-off: 0 here source, 1 elsewhere target",
        "domain ready: 0 here left, 1 elsewhere arrived",
        "acknowledged: 0 elsewhere none, 1 here none",
      ]
    `);
  });

  test("post-copy: the guest runs on the target long before the migration has succeeded", () => {
    const copying = at(play([move("b", "postCopy")]), "copying behind");
    expect(brief(copying)).toEqual(["0 here left", "1 elsewhere arrived"]);
  });

  test("a failure leaves the guest where it was, whether or not the migration is forgotten", () => {
    for (const outcome of ["targetPodDies", "qemuFails", "cancelEarly", "cancelLate"] as const)
      for (const isForgotten of [false, true])
        for (const isOldStyle of [false, true]) {
          const [source, target] = see(
            play([move("b", outcome, { isForgotten, isOldStyle })]).at(-1) as Snapshot,
          );
          expect(source?.[1]).toMatchObject({ place: "here", part: "none" });
          if (target) {
            expect(target[1].place).not.toBe("here");
            // What is forgotten before KubeVirt has named its target leaves nothing behind.
            expect(["spent", ...(isForgotten ? ["none"] : [])]).toContain(target[1].part);
          }
        }
  });

  test("A to B to A: the finished pod on A is not taken for the one the VM is in", () => {
    const last = play([move("b", "success"), move("a", "success")]).at(-1) as Snapshot;
    expect(
      see(last).map(([{ metadata }, { place }]) => [metadata.name === last.truth.active, place]),
    ).toEqual([
      [false, "elsewhere"],
      [false, "elsewhere"],
      [true, "here"],
    ]);
  });

  test("which migration of the VM put the guest here is told, and from which revision of the VMI", () => {
    const last = play([move("b", "success")]).at(-1) as Snapshot;
    const [, [, target]] = see(last) as [[Pod, PodSight], [Pod, PodSight]];
    expect(target).toMatchObject({
      placedBy: last.migrations[0]?.metadata.uid,
      revision: last.vmi.metadata.resourceVersion,
      madeFor: { uid: last.migrations[0]?.metadata.uid },
    });
    expect(see(play([])[0] as Snapshot)[0]?.[1]).not.toHaveProperty("placedBy");
  });
});

describe("migrations that their creation times do not tell apart", () => {
  const history = play([move("b", "success"), move("c", "success"), move("a", "success")]);
  const sameSecond = (snapshot: Snapshot): Snapshot => ({
    ...snapshot,
    migrations: snapshot.migrations.map((one) => ({
      ...one,
      metadata: { ...one.metadata, creationTimestamp: "2026-01-01T00:00:00Z" },
    })),
  });

  test("every place that the guest has left is told so", () => {
    const last = brief(sameSecond(history.at(-1) as Snapshot));
    expect(last.map((one) => one.replace(/^\d+ /, ""))).toEqual([
      "elsewhere none",
      "elsewhere none",
      "elsewhere none",
      "here none",
    ]);
  });

  test("and none is, by a VMI from before its migration ended", () => {
    const last = sameSecond(history.at(-1) as Snapshot);
    for (const { vmi, truth } of history) {
      const [, news] = see({ ...last, vmi }).at(-1) as [Pod, PodSight];
      if (truth.active !== last.truth.active && news.place === "elsewhere") expect(news.part).toBe("untold");
    }
  });
});

describe("two migrations at once", () => {
  const history = play([move("b", "success")]);
  const acknowledged = at(history, "acknowledged");
  const [first] = acknowledged.migrations as [VirtualMachineInstanceMigration];
  /** KubeVirt's webhook lists and does not lock; the second waits with the source of when it was made. */
  const second: VirtualMachineInstanceMigration = {
    ...first,
    metadata: { ...first.metadata, name: "second", uid: "uid-second" },
    status: { phase: "Pending", migrationState: { sourcePod: acknowledged.pods[0]!.metadata.name } },
  };

  test("the old source is left, whatever the record of the one that waits says, and the new place leaves for nowhere", () => {
    const migrations = [second, ...acknowledged.migrations];
    expect(brief({ ...acknowledged, migrations })).toEqual(["0 elsewhere source", "1 here none"]);
  });

  test("while the first is under way both name the same source", () => {
    const started = at(history, "started");
    expect(brief({ ...started, migrations: [...started.migrations, second] })).toEqual([
      "0 here source",
      "1 elsewhere target",
    ]);
  });
});

describe("a pod that only says it is a migration's target", () => {
  const history = play([move("b", "success")]);
  const forge = (snapshot: Snapshot) => {
    const target = snapshot.pods[1] as Pod;
    const metadata = { ...target.metadata, name: "virt-launcher-forged", uid: "uid-forged" };
    return { ...snapshot, pods: [target, { ...target, metadata }] };
  };

  test("is no more than a candidate before the hand-off, as the real one is", () =>
    expect(brief(forge(at(history, "migration Scheduled")))).toEqual([
      "1 unknown candidate",
      "forged unknown candidate",
    ]));

  test("is spent when KubeVirt names the real one", () =>
    expect(brief(forge(at(history, "hand-off")))).toEqual(["1 elsewhere target", "forged elsewhere spent"]));

  test("is spent when the migration it names moves another VM", () => {
    const early = at(history, "migration Scheduled");
    const migrations = early.migrations.map((one) => ({ ...one, spec: { vmiName: "another" } }));
    expect(brief({ ...early, migrations })).toEqual(["0 here none", "1 unknown spent"]);
  });
});

describe("a status that is empty for a moment moves nothing", () => {
  const history = play([move("b", "success")]);
  const last = history.at(-1) as Snapshot;
  const acknowledged = at(history, "acknowledged");
  const firstPodOnly = { [last.pods[0]!.metadata.uid ?? ""]: "a" };

  test.each<[string, Snapshot, VirtualMachineInstance, string[]]>([
    [
      "no record of the last migration",
      last,
      withStatus(last.vmi, { migrationState: undefined }),
      ["0 unknown none", "1 unknown untold"],
    ],
    [
      "no node, before the migration is complete",
      acknowledged,
      withStatus(acknowledged.vmi, { nodeName: "" }),
      ["0 unknown left", "1 unknown arrived"],
    ],
    [
      "no node, afterwards",
      last,
      withStatus(last.vmi, { nodeName: "" }),
      ["0 elsewhere none", "1 here none"],
    ],
    ["no pods", last, withStatus(last.vmi, { activePods: {} }), ["0 elsewhere none", "1 here none"]],
    [
      "no pod names in the record",
      last,
      withState(last.vmi, { sourcePod: "", targetPod: "" }),
      ["0 unknown none", "1 unknown none"],
    ],
    [
      "neither record nor node",
      last,
      withStatus(last.vmi, { migrationState: undefined, nodeName: undefined, activePods: firstPodOnly }),
      ["0 unknown none", "1 unknown untold"],
    ],
    [
      "no node of the target in the record",
      last,
      withState(last.vmi, { targetNode: "" }),
      ["0 unknown none", "1 unknown untold"],
    ],
  ])("%s", (_, snapshot, vmi, expected) => expect(brief({ ...snapshot, vmi })).toEqual(expected));

  test.each<[string, Snapshot, VirtualMachineInstance, string[]]>([
    [
      "no record of it",
      last,
      withStatus(last.vmi, { migrationState: undefined }),
      ["0 unknown none", "1 unknown none"],
    ],
    [
      "one that has no UID yet",
      last,
      withState(last.vmi, { migrationUid: "" }),
      ["0 unknown none", "1 unknown none"],
    ],
    [
      "one that has not told its end yet",
      at(history, "domain ready"),
      at(history, "domain ready").vmi,
      ["0 here none", "1 elsewhere arrived"],
    ],
  ])("nor does one whose migration KubeVirt has forgotten: %s", (_, snapshot, vmi, expected) =>
    expect(brief({ ...snapshot, vmi, migrations: [] })).toEqual(expected),
  );

  test("whichever one field it is, and whether or not KubeVirt has forgotten its migrations", () => {
    for (const outcome of outcomes)
      for (const isOldStyle of [false, true])
        for (const snapshot of play([move("b", "success"), move("a", outcome, { isOldStyle })]))
          for (const vmi of withoutOneField(snapshot.vmi))
            for (const migrations of [snapshot.migrations, []])
              for (const [{ metadata }, { place }] of see({ ...snapshot, vmi, migrations }))
                expect(place).not.toBe(metadata.name === snapshot.truth.active ? "elsewhere" : "here");
  });

  test("of a VM that never migrated no pods, and the only pod is not known to be the guest's", () => {
    const [first] = play([]) as [Snapshot];
    expect(brief(first)).toEqual(["0 here none"]);
    expect(brief({ ...first, vmi: withStatus(first.vmi, { activePods: {} }) })).toEqual(["0 unknown none"]);
  });

  test("two pods on one node of a VM that never migrated: which is the real one nobody says", () => {
    const [first] = play([]) as [Snapshot];
    const real = first.pods[0] as Pod;
    const forged = {
      ...real,
      metadata: { ...real.metadata, name: "virt-launcher-forged", uid: "uid-forged" },
    };
    const activePods = { ...first.vmi.status?.activePods, "uid-forged": "a" };
    const pods = [real, forged];
    expect(brief({ ...first, pods, vmi: withStatus(first.vmi, { activePods }) })).toEqual([
      "0 unknown none",
      "forged unknown none",
    ]);
  });
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
  test("the guest is here exactly where the VMI at hand has it, and only whom it names is a target, however stale each watch is", () => {
    fc.assert(
      fc.property(moves, fc.infiniteStream(fc.nat()), (moves, random) => {
        const history = play(moves);
        const pick = () => history[Number(random.next().value) % history.length] as Snapshot;
        for (let i = 0; i < 30; i++) {
          const [p, v, m] = [pick(), pick(), pick()];
          for (const [pod, { place, part }] of see({ pods: p.pods, vmi: v.vmi, migrations: m.migrations })) {
            if (place === "here") expect(pod.metadata.name).toBe(v.truth.active);
            if (place === "elsewhere") expect(pod.metadata.name).not.toBe(v.truth.active);
            if (part === "target" || part === "arrived")
              expect(v.vmi.status?.migrationState?.targetPod).toBe(pod.metadata.name);
          }
        }
      }),
    );
  });

  test("a guest is not taken from the pod it has reached by a VMI that is older than the migration's own word", () => {
    fc.assert(
      fc.property(moves, (moves) => {
        const history = play(moves.map((one) => ({ ...one, isForgotten: false })));
        for (const [i, { vmi }] of history.entries())
          for (const { pods, migrations, truth } of history.slice(i))
            for (const [{ metadata }, { place, part }] of see({ pods, vmi, migrations }))
              if (metadata.name === truth.active && place === "elsewhere")
                expect(["candidate", "target", "arrived", "untold"]).toContain(part);
      }),
    );
  });

  test("with all watches caught up, each pod's place and part are what really happened", () => {
    fc.assert(
      fc.property(moves, (moves) => {
        for (const snapshot of play(moves))
          for (const [{ metadata }, { place, part }] of see(snapshot)) {
            const { active, target } = snapshot.truth;
            expect(place === "here").toBe(metadata.name === active);
            if (metadata.name === target) expect(["candidate", "target", "arrived"]).toContain(part);
            if (part === "target" || part === "arrived") expect(metadata.name).toBe(target);
            if (part === "source" || part === "left") expect([metadata.name]).toEqual([active]);
          }
      }),
    );
  });

  test("exactly one pod is active, the target is the target, and all others are former", () => {
    fc.assert(
      fc.property(moves, (moves) => {
        for (const { pods, vmi, migrations, truth, what } of play(moves)) {
          for (const pod of pods) {
            const uid = pod.metadata.labels?.[migrationUidLabel];
            const migration = migrations.find(({ metadata }) => metadata.uid === uid);
            const workload = identifyWorkload({ pod, vmi, migration, siblings: pods });
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
            identifyWorkload({ pod, vmi: two.vmi, migration: three.migrations[0] });
            const claimed = identifyWorkload({
              pod: stranger,
              vmi: two.vmi,
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
});

function roleOf(workload: Workload): string {
  return workload.kind === "vm" ? workload.role : workload.kind;
}
