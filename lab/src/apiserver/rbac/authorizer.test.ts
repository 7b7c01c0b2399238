import { describe, expect, test } from "vitest";
import type { Json, JsonObject } from "../json.ts";
import { Registry } from "../kinds/registry.ts";
import type { KubeObject } from "../objects.ts";
import { Api } from "../rest/api.ts";
import { Store } from "../storage/store.ts";
import { Authorizer } from "./authorizer.ts";

const group = "rbac.authorization.k8s.io";
const user = { name: "u", groups: ["g", "system:authenticated"] };

function cluster() {
  const api = new Api(new Store({ history: 10 }), new Registry(), () => 0);
  const put = (plural: string, kind: string, metadata: KubeObject["metadata"], fields: JsonObject): void => {
    const key = metadata.namespace ? `${metadata.namespace}/${metadata.name}` : metadata.name;
    const collection = api.store.collection(`${group}/${plural}`);
    api.store.put(collection, key, { apiVersion: `${group}/v1`, kind, metadata, ...fields });
  };
  const role = (name: string, labels: { [key: string]: string }, fields: JsonObject): void =>
    put("clusterroles", "ClusterRole", { name, labels }, fields);
  const bind = (name: string, subject: JsonObject, namespace?: string): void => {
    const fields = { roleRef: { kind: "ClusterRole", name }, subjects: [subject] };
    if (namespace === undefined) put("clusterrolebindings", "ClusterRoleBinding", { name }, fields);
    else put("rolebindings", "RoleBinding", { name, namespace }, fields);
  };
  const authorizer = new Authorizer(api);
  const may = (verb: string, name: string, namespace = "", objectName = ""): boolean =>
    authorizer.allows({ user, verb, resource: { group: "", name, namespace, objectName } });
  return { role, bind, may, authorizer };
}

const rule = (verbs: string[], resources: string[], more: { [field: string]: Json } = {}): JsonObject => ({
  verbs,
  resources,
  apiGroups: [""],
  ...more,
});
const selecting = (...labels: { [key: string]: string }[]): JsonObject => ({
  aggregationRule: { clusterRoleSelectors: labels.map((matchLabels) => ({ matchLabels })) },
  rules: [],
});

describe("aggregated roles", () => {
  test("allow what each role they select allows, through several levels", () => {
    const { role, bind, may } = cluster();
    role("top", {}, selecting({ to: "top" }));
    role("middle", { to: "top" }, selecting({ to: "middle" }));
    role("pods", { to: "middle" }, { rules: [rule(["get"], ["pods"])] });
    role("other", { to: "nobody" }, { rules: [rule(["get"], ["secrets"])] });
    bind("top", { kind: "Group", name: "g" });
    expect(may("get", "pods")).toBe(true);
    expect(may("get", "secrets")).toBe(false);
    role("late", { to: "top" }, { rules: [rule(["get"], ["secrets"])] });
    expect(may("get", "secrets")).toBe(true);
  });

  test("that select each other, or themselves, come to an end", () => {
    const { role, bind, may } = cluster();
    role("a", { l: "1" }, selecting({ l: "1" }));
    role("b", { l: "1" }, { ...selecting({ l: "1" }), rules: [rule(["list"], ["nodes"])] });
    bind("a", { kind: "User", name: "u" });
    expect(may("list", "nodes")).toBe(true);
    expect(may("delete", "nodes")).toBe(false);
  });
});

describe("rules", () => {
  test("bound in a namespace hold there only", () => {
    const { role, bind, may } = cluster();
    role("r", {}, { rules: [rule(["get"], ["pods"])] });
    bind("r", { kind: "User", name: "u" }, "here");
    expect([may("get", "pods", "here"), may("get", "pods", "there"), may("get", "pods")]).toEqual([
      true,
      false,
      false,
    ]);
  });

  test.for([
    [rule(["*"], ["pods"]), "delete", "pods", "", true],
    [rule(["get"], ["pods"]), "get", "pods/log", "", false],
    [rule(["get"], ["*/log"]), "get", "pods/log", "", true],
    [rule(["get"], ["*"]), "get", "pods/log", "", true],
    [rule(["get"], ["pods"], { resourceNames: ["a"] }), "get", "pods", "a", true],
    [rule(["get"], ["pods"], { resourceNames: ["a"] }), "get", "pods", "b", false],
    [rule(["list"], ["pods"], { resourceNames: ["a"] }), "list", "pods", "", false],
    [rule(["get"], ["pods"], { apiGroups: ["apps"] }), "get", "pods", "", false],
  ] as const)("%j: may %s %s %s: %s", ([given, verb, resource, objectName, expected]) => {
    const { role, bind, may } = cluster();
    role("r", {}, { rules: [given] });
    bind("r", { kind: "User", name: "u" });
    expect(may(verb, resource, "", objectName)).toBe(expected);
  });

  test("for paths may end in a star", () => {
    const { role, bind, authorizer } = cluster();
    role("r", {}, { rules: [{ verbs: ["get"], nonResourceURLs: ["/healthz", "/openapi/*"] }] });
    bind("r", { kind: "User", name: "u" });
    const may = (path: string): boolean => authorizer.allows({ user, verb: "get", path });
    expect(["/healthz", "/openapi/v3", "/healthz/x", "/metrics"].map(may)).toEqual([
      true,
      true,
      false,
      false,
    ]);
  });
});
