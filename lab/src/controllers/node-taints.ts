import { isObject, type Json, type JsonObject, listAt, stringAt } from "../apiserver/json.ts";
import type { KubeObject } from "../apiserver/objects.ts";

/** A taint of a node, as its spec has it. */
export interface Taint {
  readonly key: string;
  readonly effect: "NoSchedule" | "PreferNoSchedule" | "NoExecute";
  readonly value?: string;
  readonly timeAdded?: string;
}

/** The taint for each value of the condition Ready; a ready node has none. */
const keys: Readonly<Record<string, string>> = {
  False: "node.kubernetes.io/not-ready",
  Unknown: "node.kubernetes.io/unreachable",
};
const ours = new Set(Object.values(keys));
const effects = ["NoSchedule", "NoExecute"] as const;

/** All taints of a node. */
export function taintsOf(node: KubeObject): Taint[] {
  return listAt(node, "spec", "taints").filter(isObject) as unknown as Taint[];
}

/**
 * The taints a node should have by its condition Ready, beside those of others; undefined when it has them. A taint that stays keeps its
 * time, from which tolerations count.
 */
export function withConditionTaints(node: KubeObject, now: Date): readonly Taint[] | undefined {
  const ready = listAt(node, "status", "conditions").find((one) => stringAt(one, "type") === "Ready");
  const key = keys[stringAt(ready, "status") ?? "Unknown"];
  const present = taintsOf(node);
  const timeAdded = now.toISOString().replace(/\.\d+Z$/, "Z");
  const wanted = key === undefined ? [] : effects.map((effect) => ({ key, effect, timeAdded }));
  const isSame = (a: Taint, b: Taint) => a.key === b.key && a.effect === b.effect;
  const kept = present.filter((taint) => !ours.has(taint.key) || wanted.some((one) => isSame(one, taint)));
  const added = wanted.filter((one) => !present.some((taint) => isSame(one, taint)));
  return kept.length === present.length && added.length === 0 ? undefined : [...kept, ...added];
}

/** Whether a toleration is about this taint. */
export function tolerates(toleration: JsonObject, taint: Pick<Taint, "key" | "effect" | "value">): boolean {
  const { key, operator, effect, value } = toleration;
  if (effect !== undefined && effect !== "" && effect !== taint.effect) return false;
  if (key === undefined || key === "") return operator === "Exists";
  if (key !== taint.key) return false;
  return operator === "Exists" || (value ?? "") === (taint.value ?? "");
}

/**
 * When a pod with these tolerations has to leave a node with these taints, milliseconds since 1970: at once if it does not tolerate one, at
 * the end of the shortest of its times; undefined: never.
 */
export function evictionAfter(tolerations: readonly Json[], taints: readonly Taint[]): number | undefined {
  const ends = taints
    .filter(({ effect }) => effect === "NoExecute")
    .map((taint) => {
      const since = taint.timeAdded === undefined ? 0 : Date.parse(taint.timeAdded);
      const fitting = tolerations.filter(isObject).filter((toleration) => tolerates(toleration, taint));
      if (fitting.length === 0) return since;
      const seconds = fitting.map(({ tolerationSeconds }) =>
        typeof tolerationSeconds === "number" ? tolerationSeconds : Number.POSITIVE_INFINITY,
      );
      return since + Math.min(...seconds) * 1000;
    });
  const first = Math.min(...ends);
  return Number.isFinite(first) ? first : undefined;
}
