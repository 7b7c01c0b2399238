import { expect, it } from "vitest";
import { kubeconfigOf } from "./calicoctl-config.ts";

const config = (spec: string) =>
  `apiVersion: projectcalico.org/v3\nkind: CalicoAPIConfig\nmetadata:\nspec:\n${spec}`;

it("names the kubeconfig, as YAML and as JSON", () => {
  expect(kubeconfigOf(config("  datastoreType: kubernetes\n  kubeconfig: /root/.kube/config\n"), "f")).toBe(
    "/root/.kube/config",
  );
  expect(kubeconfigOf('{"kind":"CalicoAPIConfig","spec":{"kubeconfig":"k"}}', "f")).toBe("k");
  expect(kubeconfigOf(config(""), "f")).toBeUndefined();
});

it.each([
  ["kind: Pod", "kind is not CalicoAPIConfig"],
  ["[", "is neither YAML nor JSON"],
  ["", "kind is not CalicoAPIConfig"],
  [config("  datastoreType: etcdv3\n"), "spec.datastoreType is etcdv3"],
  [config("  kubeconfig: [a]\n"), "spec.kubeconfig is not a text"],
])("refuses %j", (text, message) => expect(() => kubeconfigOf(text, "f")).toThrow(`f: ${message}`));
