import { readFileSync } from "node:fs";
import { afterEach, describe, expect, test } from "vitest";
import { parseAllDocuments } from "yaml";
import { type JsonObject, listAt, stringAt } from "../json.ts";
import { Client, configMap, eventually, pod, type Subject, uniqueName } from "./target.ts";

const group = "/apis/admissionregistration.k8s.io/v1";
const policies = `${group}/validatingadmissionpolicies`;
const bindings = `${group}/validatingadmissionpolicybindings`;
const apiVersion = "admissionregistration.k8s.io/v1";

const everyWrite = {
  apiGroups: [""],
  apiVersions: ["v1"],
  operations: ["CREATE", "UPDATE", "DELETE"],
  resources: ["configmaps"],
};

interface Wanted {
  readonly spec: JsonObject;
  readonly binding?: JsonObject;
  readonly rule?: JsonObject;
}

/** ValidatingAdmissionPolicies, and the one this project deploys. */
export function admissionCases(subject: Subject): void {
  const made: string[] = [];
  afterEach(async () => {
    const client = new Client(subject().admin);
    for (const path of made.splice(0)) await client.connection.call({ method: "DELETE", path });
  });

  /** A policy that is in force for config maps of a namespace of its own when the promise resolves. */
  const open = async ({ spec, binding = {}, rule = {} }: Wanted) => {
    const client = new Client(subject().admin);
    const namespace = await client.namespace();
    const name = uniqueName("policy");
    const matchConstraints = {
      resourceRules: [{ ...everyWrite, ...rule }],
      namespaceSelector: { matchLabels: { "kubernetes.io/metadata.name": namespace } },
    };
    // The canary's answer tells when a real server has begun to enforce the policy.
    const canary = {
      expression: "object == null || object.metadata.name != 'canary'",
      message: "in force",
    };
    const validations = [canary, ...listAt(spec, "validations")];
    await create(client, policies, "ValidatingAdmissionPolicy", name, {
      matchConstraints,
      ...spec,
      validations,
    });
    await create(client, bindings, "ValidatingAdmissionPolicyBinding", name, {
      policyName: name,
      validationActions: ["Deny"],
      ...binding,
    });
    return { client, name, path: `/api/v1/namespaces/${namespace}/configmaps` };
  };
  const create = async (
    client: Client,
    path: string,
    kind: string,
    name: string,
    spec: JsonObject,
  ): Promise<void> => {
    await client.post(path, { apiVersion, kind, metadata: { name }, spec });
    made.unshift(`${path}/${name}`);
  };
  const enforced = ({ client, path }: { client: Client; path: string }): Promise<boolean> =>
    eventually(async () => {
      const body = configMap("canary");
      const answer = await client.connection.call({ method: "POST", path: `${path}?dryRun=All`, body });
      return answer.code === 422 ? true : undefined;
    });

  describe("ValidatingAdmissionPolicies", () => {
    test("refuse what breaks them, with the message and reason they give", async () => {
      const opened = await open({
        spec: {
          validations: [
            {
              expression: "request.operation == 'DELETE' || !has(object.data) || !('bad' in object.data)",
              messageExpression: "object.metadata.name + ' of ' + request.userInfo.username + ' is bad'",
              reason: "Forbidden",
            },
          ],
        },
      });
      await enforced(opened);
      const { client, path, name } = opened;
      const status = await client.post(path, configMap("a", { bad: "1" }), 403);
      expect(status.reason).toBe("Forbidden");
      expect(stringAt(status, "message")).toMatch(
        `configmaps "a" is forbidden: ValidatingAdmissionPolicy '${name}' with binding '${name}' denied request: a of `,
      );
      await client.post(path, configMap("a"));
      await client.patch(`${path}/a`, "merge", { data: { bad: "1" } }, 403);
      await client.patch(`${path}/a?fieldManager=m`, "apply", configMap("a", { bad: "1" }), 403);
      await client.patch(`${path}/a`, "merge", { data: { good: "1" } });
    });

    test("see the old object, the namespace, variables and the operation", async () => {
      const opened = await open({
        spec: {
          variables: [
            { name: "old", expression: "oldObject == null ? {} : oldObject.data" },
            {
              name: "kept",
              expression: "request.operation != 'UPDATE' || variables.old.all(k, k in object.data)",
            },
          ],
          validations: [
            { expression: "variables.kept", message: "keys are forever" },
            {
              expression: "request.operation != 'DELETE' || oldObject.metadata.name != 'forever'",
              message: "stays",
            },
            { expression: "namespaceObject.metadata.name == request.namespace" },
          ],
        },
      });
      await enforced(opened);
      const { client, path } = opened;
      await client.post(path, configMap("forever", { a: "1" }));
      await client.patch(`${path}/forever`, "merge", { data: { b: "1" } });
      const status = await client.patch(`${path}/forever`, "merge", { data: { a: null } }, 422);
      expect(stringAt(status, "message")).toContain("keys are forever");
      expect(stringAt(await client.delete(`${path}/forever`, undefined, 422), "message")).toContain("stays");
    });

    test("mean only what their conditions, selectors and rules select", async () => {
      const opened = await open({
        spec: {
          matchConditions: [{ name: "named", expression: "request.name != 'spared'" }],
          validations: [{ expression: "false", message: "never" }],
        },
        binding: {
          matchResources: {
            objectSelector: { matchExpressions: [{ key: "free", operator: "DoesNotExist" }] },
          },
        },
        rule: { operations: ["CREATE"] },
      });
      await enforced(opened);
      const { client, path } = opened;
      await client.post(path, configMap("a"), 422);
      await client.post(path, configMap("spared"));
      await client.patch(`${path}/spared`, "merge", { data: { a: "1" } });
      await client.post(path, configMap("b", {}, { labels: { free: "yes" } }));
      await client.delete(`${path}/b`);
    });

    test("warn where the binding says so", async () => {
      const opened = await open({
        spec: { validations: [{ expression: "false", message: "think again" }] },
        binding: { validationActions: ["Warn", "Audit"] },
      });
      const { client, path } = opened;
      const warning = await eventually(async () => {
        const answer = await client.connection.call({
          method: "POST",
          path: `${path}?dryRun=All`,
          body: configMap("a"),
        });
        return answer.headers.warning as string | undefined;
      });
      expect(warning).toContain("think again");
      await client.post(path, configMap("a"));
    });

    test.for([
      ["Fail", 422],
      ["Ignore", 201],
    ] as const)(
      "whose expression cannot be evaluated follow failurePolicy %s",
      async ([failurePolicy, code]) => {
        const opened = await open({
          spec: { failurePolicy, validations: [{ expression: "object.data.missing == 'x'" }] },
        });
        await enforced(opened);
        const status = await opened.client.post(opened.path, configMap("a"), code);
        if (code === 422) expect(stringAt(status, "message")).toContain("resulted in error");
      },
    );

    test("take parameters from an object their binding names", async () => {
      const client = new Client(subject().admin);
      const namespace = await client.namespace();
      const opened = await open({
        spec: {
          paramKind: { apiVersion: "v1", kind: "ConfigMap" },
          validations: [
            { expression: "object.metadata.name.startsWith(params.data.prefix)", message: "wrong name" },
          ],
        },
        binding: { paramRef: { name: "settings", namespace, parameterNotFoundAction: "Deny" } },
      });
      await client.post(
        `/api/v1/namespaces/${namespace}/configmaps`,
        configMap("settings", { prefix: "vm-" }),
      );
      await enforced(opened);
      await eventually(async () => {
        const body = configMap("vm-a");
        const answer = await client.connection.call({
          method: "POST",
          path: `${opened.path}?dryRun=All`,
          body,
        });
        return answer.code === 201 ? true : undefined;
      });
      const status = await client.post(opened.path, configMap("other"), 422);
      expect(stringAt(status, "message")).toContain("wrong name");
    });

    test("that do not compile are refused", async () => {
      const client = new Client(subject().admin);
      const spec = {
        matchConstraints: { resourceRules: [everyWrite] },
        validations: [{ expression: "object.metadata.name ==" }, { expression: "variables.nothing" }],
      };
      const body = { apiVersion, kind: "ValidatingAdmissionPolicy", metadata: { name: uniqueName() }, spec };
      const status = await client.post(policies, body, 422);
      expect(listAt(status, "details", "causes").map((c) => stringAt(c, "field"))).toEqual([
        "spec.validations[0].expression",
        "spec.validations[1].expression",
      ]);
    });
  });

  describe("the policy this project deploys", () => {
    const deployed = (): JsonObject[] => {
      const text = readFileSync(new URL("../../../../deploy/30-admission.yaml", import.meta.url), "utf8");
      return parseAllDocuments(text).map((document): JsonObject => document.toJS());
    };
    const owners = [
      {
        apiVersion: "kubevirt.io/v1",
        kind: "VirtualMachineInstance",
        name: "vm",
        uid: "5c6e3dd3-0000-4000-8000-000000000001",
      },
    ];
    const claiming = (name: string): JsonObject => ({
      ...pod(name, { schedulerName: "nobody" }),
      metadata: { name, ownerReferences: owners },
    });
    const install = async (): Promise<{ client: Client; path: string }> => {
      const client = new Client(subject().admin);
      for (const document of deployed()) {
        const kind = stringAt(document, "kind")!;
        const path = kind.endsWith("Binding") ? bindings : policies;
        await create(
          client,
          path,
          kind,
          stringAt(document, "metadata", "name")!,
          document.spec as JsonObject,
        );
      }
      const path = `/api/v1/namespaces/${await client.namespace()}/pods`;
      await eventually(async () => {
        const body = claiming("canary");
        const answer = await client.connection.call({ method: "POST", path: `${path}?dryRun=All`, body });
        return answer.code === 403 ? true : undefined;
      });
      return { client, path };
    };
    const asKubeVirt = {
      "impersonate-user": "system:serviceaccount:kubevirt:kubevirt-controller",
      "impersonate-group": "system:masters",
    };

    test("refuses a pod that forges a VirtualMachineInstance as its owner", async () => {
      const { client, path } = await install();
      const status = await client.post(path, claiming("forged"), 403);
      expect(stringAt(status, "message")).toBe(
        "pods \"forged\" is forbidden: ValidatingAdmissionPolicy 'fairlead-vmi-owner-references' with binding 'fairlead-vmi-owner-references' denied request: only KubeVirt's controller may make a VirtualMachineInstance the owner of a pod",
      );
      await client.post(path, pod("plain", { schedulerName: "nobody" }));
      await client.patch(`${path}/plain`, "merge", { metadata: { ownerReferences: owners } }, 403);
    });

    test("lets KubeVirt's controller make it, and anyone change its labels afterwards", async () => {
      const { client, path } = await install();
      const body = claiming("launcher");
      const answer = await client.connection.call({ method: "POST", path, body, headers: asKubeVirt });
      expect(answer.code, answer.text).toBe(201);
      await client.patch(`${path}/launcher`, "merge", { metadata: { labels: { a: "1" } } });
      const other = [{ ...owners[0], name: "other" }];
      await client.patch(`${path}/launcher`, "merge", { metadata: { ownerReferences: other } }, 403);
    });
  });
}
