import { describe, expect, test } from "vitest";
import { listAt, stringAt } from "../json.ts";
import type { KubeObject } from "../objects.ts";
import { Client, configMap, eventually, pod, type Subject } from "./target.ts";

export function deletionCases(subject: Subject): void {
  const open = async () => {
    const client = new Client(subject().admin);
    const namespace = await client.namespace();
    const isGone = (path: string) =>
      eventually(async () => ((await client.connection.call({ path })).code === 404 ? true : undefined));
    return {
      client,
      namespace,
      isGone,
      maps: `/api/v1/namespaces/${namespace}/configmaps`,
      pods: `/api/v1/namespaces/${namespace}/pods`,
    };
  };
  const options = (propagationPolicy: string) => ({
    kind: "DeleteOptions",
    apiVersion: "v1",
    propagationPolicy,
  });
  const ownedBy = (owner: KubeObject, name: string, blockOwnerDeletion = false) =>
    configMap(
      name,
      {},
      {
        ownerReferences: [
          {
            apiVersion: "v1",
            kind: "ConfigMap",
            name: owner.metadata.name,
            uid: owner.metadata.uid!,
            blockOwnerDeletion,
          },
        ],
      },
    );

  describe("deletion", () => {
    test("answers with a Success status that names what went", async () => {
      const { client, maps } = await open();
      const { metadata } = (await client.post(maps, configMap("a"))) as KubeObject;
      expect(await client.delete(`${maps}/a`)).toMatchObject({
        kind: "Status",
        status: "Success",
        details: { name: "a", kind: "configmaps", uid: metadata.uid },
      });
      await client.get(`${maps}/a`, 404);
    });

    test("waits for finalizers; no new ones are accepted meanwhile", async () => {
      const { client, maps } = await open();
      await client.post(maps, configMap("a", {}, { finalizers: ["example.org/hold"] }));
      const held = (await client.delete(`${maps}/a`)) as KubeObject;
      expect(held.metadata.deletionTimestamp).toBeDefined();
      await client.patch(`${maps}/a`, "merge", { metadata: { finalizers: null } });
      await client.get(`${maps}/a`, 404);
    });

    test("of a pod on a node is graceful: it goes when the kubelet says so", async () => {
      const { client, pods } = await open();
      await client.post(pods, pod("p", { nodeName: "no-such-node", terminationGracePeriodSeconds: 30 }));
      const dying = (await client.delete(`${pods}/p`)) as KubeObject;
      expect(dying.metadata.deletionGracePeriodSeconds).toBe(30);
      expect((await client.get(`${pods}/p`)) as KubeObject).toMatchObject({
        metadata: { deletionGracePeriodSeconds: 30 },
      });
      await client.delete(`${pods}/p`, { kind: "DeleteOptions", apiVersion: "v1", gracePeriodSeconds: 0 });
      await client.get(`${pods}/p`, 404);
    });

    test("of a pod without a node is immediate", async () => {
      const { client, pods } = await open();
      await client.post(pods, pod("p", { schedulerName: "nobody" }));
      await client.delete(`${pods}/p`);
      await client.get(`${pods}/p`, 404);
    });

    test("with a precondition spares an object of the same name", async () => {
      const { client, maps } = await open();
      await client.post(maps, configMap("a"));
      const body = { kind: "DeleteOptions", apiVersion: "v1", preconditions: { uid: "another" } };
      expect(await client.delete(`${maps}/a`, body, 409)).toMatchObject({ reason: "Conflict" });
      await client.get(`${maps}/a`);
    });

    test("of a collection takes what the selector matches", async () => {
      const { client, maps } = await open();
      await client.post(maps, configMap("a", {}, { labels: { go: "yes" } }));
      await client.post(maps, configMap("b"));
      await client.delete(`${maps}?labelSelector=go%3Dyes`);
      await client.get(`${maps}/a`, 404);
      await client.get(`${maps}/b`);
    });
  });

  describe("garbage collection", () => {
    test("deletes what a deleted object owned", async () => {
      const { client, maps, isGone } = await open();
      const owner = (await client.post(maps, configMap("owner"))) as KubeObject;
      await client.post(maps, ownedBy(owner, "child"));
      await client.delete(`${maps}/owner`, options("Background"));
      await isGone(`${maps}/child`);
    });

    test("deletes an object whose owner never was", async () => {
      const { client, maps, isGone } = await open();
      const owner = (await client.post(maps, configMap("owner"))) as KubeObject;
      await client.post(
        maps,
        ownedBy({ ...owner, metadata: { ...owner.metadata, uid: crypto.randomUUID() } }, "child"),
      );
      await isGone(`${maps}/child`);
    });

    test("in the foreground takes the children first", async () => {
      const { client, maps, isGone } = await open();
      const owner = (await client.post(maps, configMap("owner"))) as KubeObject;
      const child = ownedBy(owner, "child", true) as KubeObject;
      child.metadata.finalizers = ["example.org/hold"];
      await client.post(maps, child);
      await client.delete(`${maps}/owner`, options("Foreground"));
      await eventually(async () =>
        stringAt(await client.get(`${maps}/child`), "metadata", "deletionTimestamp") ? true : undefined,
      );
      await client.get(`${maps}/owner`);
      await client.patch(`${maps}/child`, "merge", { metadata: { finalizers: null } });
      await isGone(`${maps}/owner`);
    });

    test("leaves orphans alone and takes their owner reference off", async () => {
      const { client, maps, isGone } = await open();
      const owner = (await client.post(maps, configMap("owner"))) as KubeObject;
      await client.post(maps, ownedBy(owner, "child"));
      await client.delete(`${maps}/owner`, options("Orphan"));
      await isGone(`${maps}/owner`);
      expect(listAt(await client.get(`${maps}/child`), "metadata", "ownerReferences")).toEqual([]);
    });
  });

  describe("namespaces", () => {
    test("go with all they contain, and take nothing new meanwhile", async () => {
      const { client, namespace, maps, isGone } = await open();
      await client.post(maps, configMap("a", {}, { finalizers: ["example.org/hold"] }));
      await client.delete(`/api/v1/namespaces/${namespace}`);
      const status = await client.post(maps, configMap("b"), 403);
      expect(stringAt(status, "message")).toContain("because it is being terminated");
      await client.patch(`${maps}/a`, "merge", { metadata: { finalizers: null } });
      await isGone(`/api/v1/namespaces/${namespace}`);
    });

    test("have a default service account", async () => {
      const { client, namespace } = await open();
      const path = `/api/v1/namespaces/${namespace}/serviceaccounts/default`;
      await eventually(async () =>
        (await client.connection.call({ path })).code === 200 ? true : undefined,
      );
    });
  });
}
