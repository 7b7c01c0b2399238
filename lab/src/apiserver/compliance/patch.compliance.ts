import { describe, expect, test } from "vitest";
import { listAt, objectAt, stringAt } from "../json.ts";
import type { KubeObject } from "../objects.ts";
import { Client, configMap, type Subject } from "./target.ts";

const deployment = (name: string) => ({
  apiVersion: "apps/v1",
  kind: "Deployment",
  metadata: { name },
  spec: {
    replicas: 0,
    selector: { matchLabels: { app: name } },
    template: {
      metadata: { labels: { app: name } },
      spec: {
        containers: [
          { name: "a", image: "a:1", env: [{ name: "X", value: "1" }], ports: [{ containerPort: 80 }] },
          { name: "b", image: "b:1" },
        ],
      },
    },
  },
});

const containers = (object: unknown) =>
  listAt(object as KubeObject, "spec", "template", "spec", "containers");

export function patchCases(subject: Subject): void {
  const open = async () => {
    const client = new Client(subject().admin);
    const namespace = await client.namespace();
    return {
      client,
      maps: `/api/v1/namespaces/${namespace}/configmaps`,
      deployments: `/apis/apps/v1/namespaces/${namespace}/deployments`,
    };
  };

  describe("patch", () => {
    test("a merge patch merges objects and removes with null", async () => {
      const { client, maps } = await open();
      await client.post(maps, configMap("a", { x: "1", y: "2" }));
      const patched = await client.patch(`${maps}/a`, "merge", { data: { x: null, z: "3" } });
      expect(patched.data).toEqual({ y: "2", z: "3" });
    });

    test("a JSON patch runs its operations in order, and a failed test stops it", async () => {
      const { client, maps } = await open();
      await client.post(maps, configMap("a", { x: "1" }));
      const patched = await client.patch(`${maps}/a`, "json", [
        { op: "test", path: "/data/x", value: "1" },
        { op: "add", path: "/data/y", value: "2" },
        { op: "remove", path: "/data/x" },
      ]);
      expect(patched.data).toEqual({ y: "2" });
      await client.patch(`${maps}/a`, "json", [{ op: "test", path: "/data/y", value: "9" }], 422);
    });

    test("a patch that names an old version is a conflict", async () => {
      const { client, maps } = await open();
      const first = (await client.post(maps, configMap("a", { x: "1" }))) as KubeObject;
      await client.patch(`${maps}/a`, "merge", { data: { x: "2" } });
      const { resourceVersion } = first.metadata;
      await client.patch(
        `${maps}/a`,
        "merge",
        { metadata: { resourceVersion: resourceVersion! }, data: { x: "3" } },
        409,
      );
    });

    test("a strategic merge patch finds list items by their merge key", async () => {
      const { client, deployments } = await open();
      await client.post(deployments, deployment("d"));
      const spec = { containers: [{ name: "a", image: "a:2", env: [{ name: "Y", value: "2" }] }] };
      const patched = await client.patch(`${deployments}/d`, "strategic", { spec: { template: { spec } } });
      const byName = new Map(containers(patched).map((c) => [stringAt(c, "name"), c]));
      expect([...byName.keys()].sort()).toEqual(["a", "b"]);
      expect(stringAt(byName.get("a"), "image")).toBe("a:2");
      expect(
        listAt(byName.get("a"), "env")
          .map((e) => stringAt(e, "name"))
          .sort(),
      ).toEqual(["X", "Y"]);
    });

    test("a strategic merge patch deletes an item by directive", async () => {
      const { client, deployments } = await open();
      await client.post(deployments, deployment("d"));
      const spec = { containers: [{ name: "b", $patch: "delete" }] };
      const patched = await client.patch(`${deployments}/d`, "strategic", { spec: { template: { spec } } });
      expect(containers(patched).map((c) => stringAt(c, "name"))).toEqual(["a"]);
    });

    test("an unknown patch type is refused with 415", async () => {
      const { client, maps } = await open();
      await client.post(maps, configMap("a"));
      const answer = await client.connection.call({
        method: "PATCH",
        path: `${maps}/a`,
        body: {},
        headers: { "content-type": "application/json" },
      });
      expect(answer.code).toBe(415);
    });
  });

  describe("server-side apply", () => {
    const config = (data: { [key: string]: string }) => configMap("a", data);
    const as = (manager: string, force = false): string => `?fieldManager=${manager}&force=${force}`;

    test("creates an object and records who owns which field", async () => {
      const { client, maps } = await open();
      const created = (await client.patch(
        `${maps}/a${as("one")}`,
        "apply",
        config({ x: "1" }),
        201,
      )) as KubeObject;
      expect(created.metadata.managedFields).toMatchObject([
        {
          manager: "one",
          operation: "Apply",
          apiVersion: "v1",
          fieldsType: "FieldsV1",
          fieldsV1: { "f:data": { "f:x": {} } },
        },
      ]);
    });

    test("a field that is no longer applied goes, unless someone else owns it", async () => {
      const { client, maps } = await open();
      await client.patch(`${maps}/a${as("one")}`, "apply", config({ x: "1", y: "2" }), 201);
      await client.patch(`${maps}/a${as("two")}`, "apply", config({ y: "2", z: "3" }));
      const left = await client.patch(`${maps}/a${as("one")}`, "apply", config({}));
      expect(left.data).toEqual({ y: "2", z: "3" });
    });

    test("another manager's field is a conflict that names the field and its owner; force takes it over", async () => {
      const { client, maps } = await open();
      await client.patch(`${maps}/a${as("one")}`, "apply", config({ x: "1" }), 201);
      const status = await client.patch(`${maps}/a${as("two")}`, "apply", config({ x: "2" }), 409);
      expect(status).toMatchObject({
        reason: "Conflict",
        message: 'Apply failed with 1 conflict: conflict with "one": .data.x',
        details: {
          causes: [{ reason: "FieldManagerConflict", message: 'conflict with "one"', field: ".data.x" }],
        },
      });
      const forced = (await client.patch(
        `${maps}/a${as("two", true)}`,
        "apply",
        config({ x: "2" }),
      )) as KubeObject;
      expect(forced.data).toEqual({ x: "2" });
      expect(forced.metadata.managedFields?.map((entry) => entry.manager)).toEqual(["two"]);
    });

    test("items of a keyed list have owners of their own", async () => {
      const { client, deployments } = await open();
      const full = deployment("d");
      await client.patch(`${deployments}/d${as("one")}`, "apply", structuredClone(full), 201);
      const port = {
        ...full,
        spec: {
          selector: full.spec.selector,
          template: { ...full.spec.template, spec: { containers: [{ name: "c", image: "c:1" }] } },
        },
      };
      const both = await client.patch(`${deployments}/d${as("two")}`, "apply", structuredClone(port));
      expect(
        containers(both)
          .map((c) => stringAt(c, "name"))
          .sort(),
      ).toEqual(["a", "b", "c"]);
      const less = structuredClone(full);
      less.spec.template.spec.containers.pop();
      const left = await client.patch(`${deployments}/d${as("one")}`, "apply", less);
      expect(
        containers(left)
          .map((c) => stringAt(c, "name"))
          .sort(),
      ).toEqual(["a", "c"]);
    });

    test("a plain update takes its fields from the appliers", async () => {
      const { client, maps } = await open();
      await client.patch(`${maps}/a${as("one")}`, "apply", config({ x: "1", y: "1" }), 201);
      await client.patch(`${maps}/a?fieldManager=editor`, "merge", { data: { x: "2" } });
      const object = (await client.get(`${maps}/a`)) as KubeObject;
      const fields = object.metadata.managedFields?.map((e) => [
        e.manager,
        e.operation,
        objectAt(e.fieldsV1, "f:data"),
      ]);
      expect(fields).toEqual([
        ["one", "Apply", { "f:y": {} }],
        ["editor", "Update", { "f:x": {} }],
      ]);
    });

    test("the same configuration again changes nothing", async () => {
      const { client, maps } = await open();
      const first = (await client.patch(
        `${maps}/a${as("one")}`,
        "apply",
        config({ x: "1" }),
        201,
      )) as KubeObject;
      const second = (await client.patch(`${maps}/a${as("one")}`, "apply", config({ x: "1" }))) as KubeObject;
      expect(second.metadata.resourceVersion).toBe(first.metadata.resourceVersion);
    });
  });
}
