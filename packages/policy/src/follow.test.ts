import { readFileSync } from "node:fs";
import { kinds } from "@fairlead/api";
import { expect, test } from "vitest";
import { parseAllDocuments } from "yaml";
import { policyKinds } from "./follow.ts";

interface Permission {
  readonly apiGroups: readonly string[];
  readonly resources: readonly string[];
  readonly verbs: readonly string[];
}

const manifest = readFileSync(new URL("../../../deploy/10-rbac-node.yaml", import.meta.url), "utf8");
const permissions = parseAllDocuments(manifest)
  .map((document) => document.toJS() as { kind: string; rules?: Permission[] })
  .flatMap(({ kind, rules = [] }) => (kind === "ClusterRole" ? rules : []));

test.each(policyKinds)("the agent's role lets it list and watch %s", (kind) => {
  const { apiVersion, plural } = kinds[kind];
  const group = apiVersion.includes("/") ? apiVersion.slice(0, apiVersion.indexOf("/")) : "";
  const allowed = permissions
    .filter(({ apiGroups, resources }) => apiGroups.includes(group) && resources.includes(plural))
    .flatMap(({ verbs }) => verbs);
  expect(allowed).toEqual(expect.arrayContaining(["list", "watch"]));
});
