import { describe, expect, test } from "vitest";
import type { KubeObject } from "../apiserver/objects.ts";
import { evictionAfter, type Taint, withConditionTaints } from "./node-taints.ts";

const start = new Date("2026-01-01T00:00:00Z");
const timeAdded = "2026-01-01T00:00:00Z";
const node = (ready: string | undefined, taints: readonly Taint[] = []): KubeObject => ({
  apiVersion: "v1",
  kind: "Node",
  metadata: { name: "n" },
  spec: { taints: taints as never },
  status: { conditions: ready === undefined ? [] : [{ type: "Ready", status: ready }] },
});
const pair = (key: string): Taint[] =>
  (["NoSchedule", "NoExecute"] as const).map((effect) => ({ key, effect, timeAdded }));
const notReady = pair("node.kubernetes.io/not-ready");
const unreachable = pair("node.kubernetes.io/unreachable");
const foreign: Taint = { key: "gpu", effect: "NoExecute" };

describe("a node", () => {
  test.each([
    ["that is not ready takes no pods and keeps none", "False", [foreign], [foreign, ...notReady]],
    ["nobody hears of is unreachable", "Unknown", [], unreachable],
    ["without a condition is unreachable", undefined, [], unreachable],
    ["that is not heard of any more changes its taints", "Unknown", notReady, unreachable],
    ["that is ready again loses them, and no others", "True", [...notReady, foreign], [foreign]],
    ["that stays unready keeps the time of its taints", "False", notReady, undefined],
    ["that stays ready is left alone", "True", [foreign], undefined],
  ] as const)("%s", (_, ready, taints, wanted) =>
    expect(withConditionTaints(node(ready, taints), start)).toEqual(wanted),
  );
});

describe("a pod on a node that is not ready", () => {
  const seconds = (tolerationSeconds?: number) => ({
    key: "node.kubernetes.io/not-ready",
    operator: "Exists",
    effect: "NoExecute",
    ...(tolerationSeconds !== undefined && { tolerationSeconds }),
  });
  test.each([
    ["leaves at once if it tolerates nothing", [], notReady, 0],
    ["leaves after the time it tolerates it for", [seconds(300)], notReady, 300],
    ["leaves after the shortest of its times", [seconds(300), seconds(20)], notReady, 20],
    ["stays if it tolerates it for ever", [seconds()], notReady, undefined],
    ["stays if it tolerates everything", [{ operator: "Exists" }], [...notReady, foreign], undefined],
    ["leaves at once if it does not tolerate another taint", [seconds(300)], [...notReady, foreign], -1],
    ["stays while no taint asks it to leave", [], notReady.slice(0, 1), undefined],
  ] as const)("%s", (_, tolerations, taints, after) => {
    const at = evictionAfter(tolerations as never, taints);
    // A taint without a time counts from the beginning.
    const expected = after === undefined ? undefined : after < 0 ? 0 : start.getTime() + after * 1000;
    expect(at).toBe(expected);
  });
});
