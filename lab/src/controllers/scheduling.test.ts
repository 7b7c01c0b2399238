import { describe, expect, test } from "vitest";
import type { JsonObject } from "../apiserver/json.ts";
import type { KubeObject } from "../apiserver/objects.ts";
import { chooseNode } from "./scheduling.ts";

const node = (name: string, spec: JsonObject = {}, ready = "True"): KubeObject => ({
  apiVersion: "v1",
  kind: "Node",
  metadata: { name, labels: { "kubernetes.io/hostname": name } },
  spec,
  status: { conditions: [{ type: "Ready", status: ready }] },
});
let count = 0;
const pod = (spec: JsonObject = {}, labels: { [key: string]: string } = {}): KubeObject => ({
  apiVersion: "v1",
  kind: "Pod",
  metadata: { name: `p${++count}`, uid: String(count), namespace: "default", labels },
  spec,
});

const apart = (app: string): JsonObject => ({
  affinity: {
    podAntiAffinity: {
      requiredDuringSchedulingIgnoredDuringExecution: [
        { topologyKey: "kubernetes.io/hostname", labelSelector: { matchLabels: { app } } },
      ],
    },
  },
});

describe("a pod", () => {
  test("goes where the fewest pods are", () => {
    const pods = [pod({ nodeName: "a" }), pod({ nodeName: "a" }), pod({ nodeName: "b" })];
    expect(chooseNode(pod(), [node("a"), node("b")], pods)).toEqual({ node: "b" });
  });

  test("obeys its node selector", () => {
    const selected = pod({ nodeSelector: { "kubernetes.io/hostname": "b" } });
    expect(chooseNode(selected, [node("a"), node("b")], [])).toEqual({ node: "b" });
  });

  test("obeys required node affinity", () => {
    const matchExpressions = [{ key: "kubernetes.io/hostname", operator: "NotIn", values: ["a"] }];
    const requiredDuringSchedulingIgnoredDuringExecution = { nodeSelectorTerms: [{ matchExpressions }] };
    const picky = pod({ affinity: { nodeAffinity: { requiredDuringSchedulingIgnoredDuringExecution } } });
    expect(chooseNode(picky, [node("a"), node("b")], [])).toEqual({ node: "b" });
  });

  test("keeps away from pods it does not want beside it, and from those that do not want it", () => {
    const running = pod({ nodeName: "a" }, { app: "x" });
    expect(chooseNode(pod(apart("x")), [node("a"), node("b")], [running])).toEqual({ node: "b" });
    const shy = pod({ nodeName: "a", ...apart("y") }, { app: "x" });
    expect(chooseNode(pod({}, { app: "y" }), [node("a"), node("b")], [shy])).toEqual({ node: "b" });
  });

  test("tolerates only the taints it says it does", () => {
    const tainted = node("a", { taints: [{ key: "k", value: "v", effect: "NoSchedule" }] });
    expect(chooseNode(pod(), [tainted], [])).toHaveProperty("message");
    const tolerant = pod({
      tolerations: [{ key: "k", operator: "Equal", value: "v", effect: "NoSchedule" }],
    });
    expect(chooseNode(tolerant, [tainted], [])).toEqual({ node: "a" });
  });

  test("that fits nowhere hears why, node by node", () => {
    const nodes = [node("a", { unschedulable: true }), node("b", {}, "False"), node("c")];
    const selected = pod({ nodeSelector: { "kubernetes.io/hostname": "d" } });
    expect(chooseNode(selected, nodes, [])).toMatchInlineSnapshot(`
      {
        "message": "0/3 nodes are available: 1 node(s) didn't match Pod's node affinity/selector, 1 node(s) were not ready, 1 node(s) were unschedulable.",
      }
    `);
  });
});
