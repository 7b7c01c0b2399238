import { expect, test } from "vitest";
import { chosenCluster } from "./chosen-cluster.ts";

const FAIRLEAD_COMPLIANCE_USE_KUBECONFIG = "yes";

test("KUBECONFIG alone never chooses a cluster", () => {
  expect(chosenCluster({ KUBECONFIG: "/production" })).toBeUndefined();
  expect(
    chosenCluster({ KUBECONFIG: "/production", FAIRLEAD_COMPLIANCE_USE_KUBECONFIG: "" }),
  ).toBeUndefined();
});

test("a cluster is chosen by one file and a yes", () => {
  expect(chosenCluster({ KUBECONFIG: "/kind", FAIRLEAD_COMPLIANCE_USE_KUBECONFIG })).toBe("/kind");
});

test.for([
  ["any other word", { KUBECONFIG: "/kind", FAIRLEAD_COMPLIANCE_USE_KUBECONFIG: "no" }],
  ["no file", { FAIRLEAD_COMPLIANCE_USE_KUBECONFIG }],
  ["several files", { KUBECONFIG: "/kind:/production", FAIRLEAD_COMPLIANCE_USE_KUBECONFIG }],
] as const)("%s is refused", ([, environment]) => {
  expect(() => chosenCluster(environment)).toThrow();
});
