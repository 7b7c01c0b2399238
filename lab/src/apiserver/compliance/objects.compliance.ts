import { describe, expect, test } from "vitest";
import { listAt, numberAt, objectAt, stringAt } from "../json.ts";
import type { KubeObject } from "../objects.ts";
import { Client, configMap, pod, type Subject } from "./target.ts";

export function objectCases(subject: Subject): void {
  const open = async () => {
    const client = new Client(subject().admin);
    const namespace = await client.namespace();
    return { client, namespace, maps: `/api/v1/namespaces/${namespace}/configmaps` };
  };

  describe("objects", () => {
    test("a created object gets uid, resourceVersion, creationTimestamp and its namespace", async () => {
      const { client, namespace, maps } = await open();
      const { metadata } = (await client.post(maps, configMap("a", { x: "1" }))) as KubeObject;
      expect(metadata).toMatchObject({ name: "a", namespace });
      expect(metadata.uid).toMatch(/^[0-9a-f-]{36}$/);
      expect(Number(metadata.resourceVersion)).toBeGreaterThan(0);
      expect(metadata.creationTimestamp).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/);
      expect(await client.get(`${maps}/a`)).toMatchObject({ kind: "ConfigMap", data: { x: "1" } });
    });

    test("a name that is taken is AlreadyExists, a name that is missing NotFound", async () => {
      const { client, maps } = await open();
      await client.post(maps, configMap("a"));
      expect(await client.post(maps, configMap("a"), 409)).toMatchObject({
        kind: "Status",
        status: "Failure",
        reason: "AlreadyExists",
        message: 'configmaps "a" already exists',
        details: { name: "a", kind: "configmaps" },
        code: 409,
      });
      expect(await client.get(`${maps}/b`, 404)).toMatchObject({
        reason: "NotFound",
        message: 'configmaps "b" not found',
      });
    });

    test("generateName makes distinct names", async () => {
      const { client, maps } = await open();
      const named = { apiVersion: "v1", kind: "ConfigMap", metadata: { generateName: "g-" } };
      const first = stringAt(await client.post(maps, structuredClone(named)), "metadata", "name");
      const second = stringAt(await client.post(maps, structuredClone(named)), "metadata", "name");
      expect(first).toMatch(/^g-[a-z0-9]{5}$/);
      expect(first).not.toBe(second);
    });

    test("an update with an old resourceVersion is a conflict, with the current one it succeeds", async () => {
      const { client, maps } = await open();
      const first = (await client.post(maps, configMap("a", { x: "1" }))) as KubeObject;
      const second = await client.put(`${maps}/a`, { ...first, data: { x: "2" } });
      expect(second.metadata).not.toEqual(first.metadata);
      expect(await client.put(`${maps}/a`, { ...first, data: { x: "3" } }, 409)).toMatchObject({
        reason: "Conflict",
        message:
          'Operation cannot be fulfilled on configmaps "a": the object has been modified; please apply your changes to the latest version and try again',
      });
      expect(await client.get(`${maps}/a`)).toMatchObject({ data: { x: "2" } });
    });

    test("an update that changes nothing keeps the resourceVersion", async () => {
      const { client, maps } = await open();
      const first = (await client.post(maps, configMap("a", { x: "1" }))) as KubeObject;
      const second = (await client.put(`${maps}/a`, first)) as KubeObject;
      expect(second.metadata.resourceVersion).toBe(first.metadata.resourceVersion);
    });

    test("a dry run answers as if, and stores nothing", async () => {
      const { client, maps } = await open();
      await client.post(`${maps}?dryRun=All`, configMap("a"));
      await client.get(`${maps}/a`, 404);
    });

    test("what is wrong with an object is said field by field", async () => {
      const { client, namespace } = await open();
      const status = await client.post(
        `/api/v1/namespaces/${namespace}/pods`,
        pod("Bad_Name", { containers: [] }),
        422,
      );
      expect(status).toMatchObject({ reason: "Invalid", details: { name: "Bad_Name", kind: "Pod" } });
      const fields = listAt(status, "details", "causes").map((cause) => stringAt(cause, "field"));
      expect(fields).toContain("metadata.name");
    });

    test("unknown fields are refused under fieldValidation=Strict and dropped with a warning otherwise", async () => {
      const { client, maps } = await open();
      const odd = { ...configMap("a"), nonsense: 1 };
      const status = await client.post(`${maps}?fieldValidation=Strict`, structuredClone(odd), 400);
      expect(stringAt(status, "message")).toContain('unknown field "nonsense"');
      const answer = await client.connection.call({
        method: "POST",
        path: `${maps}?fieldValidation=Warn`,
        body: odd,
      });
      expect(answer.headers.warning).toContain("nonsense");
      expect(answer.json.nonsense).toBeUndefined();
    });

    test("a list is selected by labels and fields", async () => {
      const { client, maps } = await open();
      await client.post(maps, configMap("a", {}, { labels: { app: "x", tier: "1" } }));
      await client.post(maps, configMap("b", {}, { labels: { app: "y" } }));
      await client.post(maps, configMap("c"));
      const names = async (query: string): Promise<unknown[]> =>
        listAt(await client.get(`${maps}?${query}`), "items")
          .map((item) => stringAt(item, "metadata", "name"))
          .filter((name) => name !== "kube-root-ca.crt");
      expect(await names("labelSelector=app%3Dx")).toEqual(["a"]);
      expect(await names("labelSelector=app%20in%20(x,y),!tier")).toEqual(["b"]);
      expect(await names("labelSelector=!app")).toEqual(["c"]);
      expect(await names("labelSelector=app!%3Dx")).toEqual(["b", "c"]);
      expect(await names("fieldSelector=metadata.name%3Dc")).toEqual(["c"]);
      await client.get(`${maps}?fieldSelector=data.x%3D1`, 400);
    });

    test("a long list comes in pages that together show one moment", async () => {
      const { client, maps } = await open();
      const label = { labels: { page: "yes" } };
      for (const name of ["a", "b", "c", "d", "e"]) await client.post(maps, configMap(name, {}, label));
      const first = await client.get(`${maps}?limit=2`);
      const selected = await client.get(`${maps}?limit=2&labelSelector=page%3Dyes`);
      expect(numberAt(first, "metadata", "remainingItemCount")).toBeGreaterThanOrEqual(3);
      await client.delete(`${maps}/d`);
      const token = stringAt(selected, "metadata", "continue")!;
      const rest = await client.get(
        `${maps}?limit=10&labelSelector=page%3Dyes&continue=${encodeURIComponent(token)}`,
      );
      const names = [...listAt(selected, "items"), ...listAt(rest, "items")].map((i) =>
        stringAt(i, "metadata", "name"),
      );
      expect(names).toEqual(["a", "b", "c", "d", "e"]);
      expect(objectAt(rest, "metadata")?.continue ?? "").toBe("");
    });

    test("the status subresource changes status only, and the object itself everything but status", async () => {
      const { client, namespace } = await open();
      const pods = `/api/v1/namespaces/${namespace}/pods`;
      const created = (await client.post(pods, { ...pod("p"), status: { phase: "Running" } })) as KubeObject;
      expect(stringAt(created, "status", "phase")).toBe("Pending");
      const labelled = { ...created, metadata: { ...created.metadata, labels: { a: "b" } } };
      const status = {
        ...objectAt(created, "status"),
        phase: "Running",
        podIP: "10.0.0.1",
        podIPs: [{ ip: "10.0.0.1" }],
      };
      const updated = (await client.put(`${pods}/p/status`, { ...labelled, status })) as KubeObject;
      expect(stringAt(updated, "status", "phase")).toBe("Running");
      const again = (await client.put(`${pods}/p`, {
        ...updated,
        metadata: { ...updated.metadata, labels: { c: "d" } },
        status: { phase: "Failed" },
      })) as KubeObject;
      expect(stringAt(again, "status", "phase")).toBe("Running");
      expect(again.metadata.labels).toEqual({ c: "d" });
    });

    test("a namespaced object needs its namespace", async () => {
      const { client } = await open();
      const status = await client.post(
        "/api/v1/namespaces/no-such-namespace/configmaps",
        configMap("a"),
        404,
      );
      expect(status).toMatchObject({ message: 'namespaces "no-such-namespace" not found' });
    });

    test("a secret's stringData becomes data", async () => {
      const { client, namespace } = await open();
      const secret = await client.post(`/api/v1/namespaces/${namespace}/secrets`, {
        apiVersion: "v1",
        kind: "Secret",
        metadata: { name: "s" },
        stringData: { key: "value" },
      });
      expect(secret).toMatchObject({ type: "Opaque", data: { key: "dmFsdWU=" } });
      expect(secret.stringData).toBeUndefined();
    });
  });
}
