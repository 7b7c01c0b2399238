import type { RequestKind } from "./api-server.fixture.ts";
import { between, type Random, randomFor } from "./virtual-time.fixture.ts";

/** What may be asked for, or may happen, to whatever is there: numbers are taken modulo what there is. */
export type Event =
  | { readonly do: "migrate"; readonly machine: number }
  /** Two migrations asked for at once: the webhook sees neither. */
  | { readonly do: "migrate twice"; readonly machine: number }
  | { readonly do: "cancel"; readonly machine: number }
  | { readonly do: "start" | "stop" | "restart" | "delete" | "recreate"; readonly machine: number }
  /** A stranger makes a pod that claims to be the VM's, or a VMI that takes the name of a stopped one. */
  | { readonly do: "forge"; readonly machine: number; readonly node: number }
  | { readonly do: "squat"; readonly machine: number }
  /** A pod of this name comes, on some node; or goes, or its sandbox dies. */
  | { readonly do: "pod" | "no pod" | "new sandbox"; readonly pod: number }
  /** SIGKILL before the effect after so many more. */
  | { readonly do: "kill"; readonly node: number; readonly effects: number; readonly away: number }
  | { readonly do: "terminate"; readonly node: number; readonly away: number }
  | { readonly do: "freeze"; readonly node: number; readonly milliseconds: number }
  /** Events of one kind reach one node late. */
  | { readonly do: "hold"; readonly node: number; readonly kind: HeldKind; readonly milliseconds: number }
  /** The next requests of a node. */
  | {
      readonly do: "fail" | "refuse" | "lose";
      readonly node: number;
      readonly kind: RequestKind;
      readonly requests: number;
    }
  | { readonly do: "server down"; readonly milliseconds: number }
  /** The definition of one of KubeVirt's kinds is away, as while KubeVirt is upgraded. */
  | { readonly do: "no definition"; readonly kind: DefinedKind; readonly milliseconds: number }
  /** Nothing can be written to the agent's directory; or what is in it is lost. */
  | { readonly do: "disk full"; readonly node: number; readonly milliseconds: number }
  | { readonly do: "wipe"; readonly node: number }
  /** BIRD does not tell what others announce. */
  | { readonly do: "silent bird"; readonly node: number; readonly milliseconds: number }
  | { readonly do: "cut watches"; readonly compact: boolean }
  | { readonly do: "stall"; readonly milliseconds: number };

/** Kinds whose watch may lag, each for itself. */
export const heldKinds = ["Pod", "VirtualMachineInstance", "VirtualMachineInstanceMigration"] as const;
export type HeldKind = (typeof heldKinds)[number];

/** Kinds that KubeVirt defines. */
export const definedKinds = [
  "VirtualMachine",
  "VirtualMachineInstance",
  "VirtualMachineInstanceMigration",
] as const;
export type DefinedKind = (typeof definedKinds)[number];

/** An event, and how long after the one before. `id` stays when others are dropped, so that its chance stays, too. */
export interface Step {
  readonly id: number;
  readonly wait: number;
  readonly event: Event;
}

export interface History {
  readonly seed: string;
  readonly machines: number;
  readonly steps: readonly Step[];
}

type Weighted = readonly [weight: number, make: (random: Random) => Event];

const oneOf = <T>(random: Random, all: readonly [T, ...T[]]): T =>
  all[Math.floor(random() * all.length)] ?? all[0];

const number = (random: Random) => Math.floor(random() * 6);

/** Short mostly, longer than the convergence time now and then. */
const absence = (random: Random) =>
  random() < 0.6 ? between(random, 300, 5_000) : between(random, 5_000, 70_000);

const of =
  (
    name:
      | "start"
      | "stop"
      | "restart"
      | "delete"
      | "recreate"
      | "migrate"
      | "migrate twice"
      | "cancel"
      | "squat",
  ) =>
  (random: Random): Event => ({ do: name, machine: number(random) });

const ofPod =
  (name: "pod" | "no pod" | "new sandbox") =>
  (random: Random): Event => ({ do: name, pod: number(random) });

const ofRequests =
  (name: "fail" | "refuse" | "lose") =>
  (random: Random): Event => ({
    do: name,
    node: number(random),
    kind: random() < 0.35 ? "read" : "write",
    requests: 1 + Math.floor(random() * 8),
  });

/** How often each comes. */
const events: readonly Weighted[] = [
  [12, of("migrate")],
  [2, of("migrate twice")],
  [2, of("cancel")],
  [2, of("start")],
  [2, of("stop")],
  [2, of("restart")],
  [1, of("delete")],
  [1, of("recreate")],
  [2, (random) => ({ do: "forge", machine: number(random), node: number(random) })],
  [2, of("squat")],
  [2, ofPod("pod")],
  [2, ofPod("no pod")],
  [2, ofPod("new sandbox")],
  [
    6,
    (random) => ({
      do: "kill",
      node: number(random),
      effects: random() < 0.3 ? 0 : Math.floor(random() * 30),
      away: absence(random),
    }),
  ],
  [2, (random) => ({ do: "terminate", node: number(random), away: absence(random) })],
  [3, (random) => ({ do: "freeze", node: number(random), milliseconds: absence(random) })],
  [
    5,
    (random) => ({
      do: "hold",
      node: number(random),
      kind: oneOf(random, heldKinds),
      milliseconds: between(random, 500, 30_000),
    }),
  ],
  [2, ofRequests("fail")],
  [1, ofRequests("refuse")],
  [3, ofRequests("lose")],
  [1, (random) => ({ do: "server down", milliseconds: between(random, 200, 15_000) })],
  [
    1,
    (random) => ({
      do: "no definition",
      kind: oneOf(random, definedKinds),
      milliseconds: between(random, 200, 20_000),
    }),
  ],
  [1, (random) => ({ do: "disk full", node: number(random), milliseconds: absence(random) })],
  [1, (random) => ({ do: "silent bird", node: number(random), milliseconds: absence(random) })],
  [1, (random) => ({ do: "wipe", node: number(random) })],
  [1, (random) => ({ do: "cut watches", compact: random() < 0.5 })],
  [2, (random) => ({ do: "stall", milliseconds: between(random, 500, 40_000) })],
];

const total = events.reduce((sum, [weight]) => sum + weight, 0);

function anyEvent(random: Random): Event {
  let left = random() * total;
  for (const [weight, make] of events) {
    left -= weight;
    if (left < 0) return make(random);
  }
  return { do: "cut watches", compact: false };
}

/** Within a migration's steps mostly, and now and then long enough for everything to settle. */
function pause(random: Random): number {
  const kind = random();
  if (kind < 0.25) return between(random, 0, 50);
  if (kind < 0.55) return between(random, 50, 1_000);
  if (kind < 0.9) return between(random, 1_000, 8_000);
  return between(random, 8_000, 60_000);
}

/** The history of a seed: up to `longest` steps. */
export function makeHistory(seed: string, longest = 24): History {
  const random = randomFor(seed, "history");
  const count = 4 + Math.floor(random() * (longest - 3));
  const machines = 1 + Math.floor(random() * random() * 3);
  const steps = Array.from({ length: count }, (_, id): Step => {
    return { id, wait: Math.round(pause(random)), event: anyEvent(random) };
  });
  return { seed, machines, steps };
}

/** One line for each step. */
export function describeHistory({ seed, machines, steps }: History): string {
  const lines = steps.map(({ id, wait, event }) => {
    const { do: what, ...given } = event;
    const details = Object.entries(given).map(([key, value]) => {
      return `${key} ${typeof value === "number" ? Math.round(value) : value}`;
    });
    return `  +${wait} ms  ${what} ${details.join(", ")}  (step ${id})`;
  });
  return [`seed ${seed}, ${machines} VM${machines > 1 ? "s" : ""}:`, ...lines].join("\n");
}
