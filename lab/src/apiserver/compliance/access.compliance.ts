import { describe, expect, test } from "vitest";
import { listAt, objectAt, stringAt } from "../json.ts";
import { Client, configMap, eventually, type Subject, uniqueName } from "./target.ts";

const rbac = "rbac.authorization.k8s.io";

export function accessCases(subject: Subject): void {
  const open = async () => {
    const client = new Client(subject().admin);
    const namespace = await client.namespace();
    const account = new Client(await subject().serviceAccount(namespace, "robot"));
    const grant = async (rules: { [field: string]: string[] }[]) => {
      const roles = `/apis/${rbac}/v1/namespaces/${namespace}`;
      const name = uniqueName("grant");
      const meta = { apiVersion: `${rbac}/v1`, metadata: { name } };
      await client.post(`${roles}/roles`, { ...meta, kind: "Role", rules });
      await client.post(`${roles}/rolebindings`, {
        ...meta,
        kind: "RoleBinding",
        roleRef: { apiGroup: rbac, kind: "Role", name },
        subjects: [{ kind: "ServiceAccount", name: "robot", namespace }],
      });
    };
    return { client, namespace, account, grant, maps: `/api/v1/namespaces/${namespace}/configmaps` };
  };

  describe("access", () => {
    test("is refused without a rule, in words that name what is missing", async () => {
      const { account, namespace, maps } = await open();
      expect(await account.get(maps, 403)).toMatchObject({
        reason: "Forbidden",
        message: `configmaps is forbidden: User "system:serviceaccount:${namespace}:robot" cannot list resource "configmaps" in API group "" in the namespace "${namespace}"`,
      });
    });

    test("is granted by a role, for its verbs, resources and names only", async () => {
      const { client, account, grant, maps } = await open();
      await client.post(maps, configMap("a"));
      await client.post(maps, configMap("b"));
      await grant([{ apiGroups: [""], resources: ["configmaps"], verbs: ["get"], resourceNames: ["a"] }]);
      await account.get(`${maps}/a`);
      await account.get(`${maps}/b`, 403);
      await account.get(maps, 403);
      await account.delete(`${maps}/a`, undefined, 403);
    });

    test("to a subresource needs a rule of its own", async () => {
      const { client, account, grant, namespace } = await open();
      const pods = `/api/v1/namespaces/${namespace}/pods`;
      const spec = { containers: [{ name: "a", image: "a" }], schedulerName: "nobody" };
      const pod = await client.post(pods, { apiVersion: "v1", kind: "Pod", metadata: { name: "p" }, spec });
      await grant([{ apiGroups: [""], resources: ["pods"], verbs: ["get", "update"] }]);
      await account.put(`${pods}/p/status`, pod, 403);
      await grant([{ apiGroups: [""], resources: ["pods/status"], verbs: ["update"] }]);
      await account.put(`${pods}/p/status`, pod);
    });

    test("is granted by roles that another role gathers by label", async () => {
      const { client, account, namespace } = await open();
      const roles = `/apis/${rbac}/v1`;
      const name = uniqueName("gather");
      const meta = { apiVersion: `${rbac}/v1`, kind: "ClusterRole" };
      const clusterRoleSelectors = [{ matchLabels: { [name]: "yes" } }];
      const rules = [{ apiGroups: [""], resources: ["secrets"], verbs: ["list"] }];
      await client.post(`${roles}/clusterroles`, {
        ...meta,
        metadata: { name },
        aggregationRule: { clusterRoleSelectors },
      });
      await client.post(`${roles}/clusterroles`, {
        ...meta,
        metadata: { name: `${name}-part`, labels: { [name]: "yes" } },
        rules,
      });
      await client.post(`${roles}/namespaces/${namespace}/rolebindings`, {
        apiVersion: `${rbac}/v1`,
        kind: "RoleBinding",
        metadata: { name },
        roleRef: { apiGroup: rbac, kind: "ClusterRole", name },
        subjects: [{ kind: "ServiceAccount", name: "robot", namespace }],
      });
      const path = `/api/v1/namespaces/${namespace}/secrets`;
      await eventually(async () =>
        (await account.connection.call({ path })).code === 200 ? true : undefined,
      );
    });

    test("can be asked about", async () => {
      const { account, grant, namespace } = await open();
      await grant([{ apiGroups: [""], resources: ["secrets"], verbs: ["list"] }]);
      const ask = async (verb: string) => {
        const review = await account.post("/apis/authorization.k8s.io/v1/selfsubjectaccessreviews", {
          apiVersion: "authorization.k8s.io/v1",
          kind: "SelfSubjectAccessReview",
          spec: { resourceAttributes: { namespace, verb, resource: "secrets" } },
        });
        return objectAt(review, "status")?.allowed;
      };
      expect([await ask("list"), await ask("get")]).toEqual([true, false]);
      const rules = await account.post("/apis/authorization.k8s.io/v1/selfsubjectrulesreviews", {
        apiVersion: "authorization.k8s.io/v1",
        kind: "SelfSubjectRulesReview",
        spec: { namespace },
      });
      expect(listAt(rules, "status", "resourceRules")).toContainEqual(
        expect.objectContaining({ resources: ["secrets"], verbs: ["list"] }),
      );
    });

    test("needs a token that is valid", async () => {
      const { client, maps } = await open();
      const answer = await client.connection.call({
        path: maps,
        headers: { authorization: "Bearer nonsense" },
      });
      expect(answer.code).toBe(401);
      expect(answer.json).toMatchObject({ reason: "Unauthorized", message: "Unauthorized" });
    });

    test("by a token ends with what the token is bound to", async () => {
      const { client, namespace } = await open();
      const accounts = `/api/v1/namespaces/${namespace}/serviceaccounts`;
      const secrets = `/api/v1/namespaces/${namespace}/secrets`;
      await client.post(secrets, { apiVersion: "v1", kind: "Secret", metadata: { name: "anchor" } });
      const issued = await client.post(`${accounts}/robot/token`, {
        apiVersion: "authentication.k8s.io/v1",
        kind: "TokenRequest",
        spec: {
          expirationSeconds: 600,
          boundObjectRef: { apiVersion: "v1", kind: "Secret", name: "anchor" },
        },
      });
      const token = stringAt(issued, "status", "token")!;
      const review = async () =>
        objectAt(
          await client.post("/apis/authentication.k8s.io/v1/tokenreviews", {
            apiVersion: "authentication.k8s.io/v1",
            kind: "TokenReview",
            spec: { token },
          }),
          "status",
        );
      expect(await review()).toMatchObject({
        authenticated: true,
        user: { username: `system:serviceaccount:${namespace}:robot` },
      });
      await client.delete(`${secrets}/anchor`);
      expect((await review())?.authenticated ?? false).toBe(false);
    });
  });
}
