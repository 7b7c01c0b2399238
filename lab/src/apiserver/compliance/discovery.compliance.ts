import { describe, expect, test } from "vitest";
import { listAt, objectAt, stringAt } from "../json.ts";
import { Client, pod, type Subject } from "./target.ts";

export function discoveryCases(subject: Subject): void {
  const open = () => new Client(subject().admin);

  describe("discovery", () => {
    test("lists groups, versions, resources and their subresources", async () => {
      const client = open();
      expect(await client.get("/api")).toMatchObject({ kind: "APIVersions", versions: ["v1"] });
      const groups = listAt(await client.get("/apis"), "groups").map((g) => stringAt(g, "name"));
      expect(groups).toEqual(
        expect.arrayContaining(["apps", "rbac.authorization.k8s.io", "apiextensions.k8s.io"]),
      );
      const core = listAt(await client.get("/api/v1"), "resources");
      expect(core).toContainEqual(
        expect.objectContaining({ name: "pods", kind: "Pod", namespaced: true, shortNames: ["po"] }),
      );
      expect(core.map((r) => stringAt(r, "name"))).toEqual(
        expect.arrayContaining(["pods/status", "pods/binding", "pods/eviction", "serviceaccounts/token"]),
      );
    });

    test("comes aggregated when asked for", async () => {
      const accept = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList,application/json";
      const answer = await open().connection.call({ path: "/apis", headers: { accept } });
      expect(answer.headers["content-type"]).toContain("as=APIGroupDiscoveryList");
      expect(answer.json).toMatchObject({ kind: "APIGroupDiscoveryList" });
      const apps = listAt(answer.json, "items").find((item) => stringAt(item, "metadata", "name") === "apps");
      const resources = listAt(listAt(apps, "versions")[0], "resources");
      expect(resources.map((r) => stringAt(r, "resource"))).toContain("deployments");
    });

    test("describes kinds in OpenAPI v3 and v2", async () => {
      const client = open();
      expect(objectAt(await client.get("/openapi/v3"), "paths")).toHaveProperty(["api/v1"]);
      const document = await client.get("/openapi/v3/api/v1");
      const podSpec = objectAt(document, "components", "schemas", "io.k8s.api.core.v1.PodSpec");
      expect(listAt(podSpec, "required")).toContain("containers");
      expect(objectAt(podSpec, "properties", "containers")).toMatchObject({
        "x-kubernetes-patch-merge-key": "name",
        "x-kubernetes-list-type": "map",
      });
      const swagger = await client.connection.call({ path: "/openapi/v2", timeoutMs: 30_000 });
      expect(objectAt(swagger.json, "definitions", "io.k8s.api.core.v1.Pod")).toMatchObject({
        "x-kubernetes-group-version-kind": [{ group: "", kind: "Pod", version: "v1" }],
      });
    });

    test("an answer nobody can give is 406", async () => {
      const answer = await open().connection.call({
        path: "/api/v1/namespaces",
        headers: { accept: "image/png" },
      });
      expect(answer.code).toBe(406);
    });

    test("a path nobody serves is 404", async () => {
      expect(await open().get("/apis/nobody.example.org/v1/things", 404)).toMatchObject({
        reason: "NotFound",
      });
    });
  });

  describe("tables", () => {
    const accept = "application/json;as=Table;v=v1;g=meta.k8s.io,application/json";

    test("show pods as kubectl prints them", async () => {
      const client = open();
      const namespace = await client.namespace();
      const path = `/api/v1/namespaces/${namespace}/pods`;
      await client.post(path, pod("p", { schedulerName: "nobody" }));
      const table = await client.get(path, 200, { accept });
      expect(table).toMatchObject({ kind: "Table", apiVersion: "meta.k8s.io/v1" });
      expect(listAt(table, "columnDefinitions").map((c) => stringAt(c, "name"))).toEqual([
        "Name",
        "Ready",
        "Status",
        "Restarts",
        "Age",
        "IP",
        "Node",
        "Nominated Node",
        "Readiness Gates",
      ]);
      const row = listAt(table, "rows")[0];
      expect(listAt(row, "cells").slice(0, 4)).toEqual(["p", "0/1", "Pending", expect.anything()]);
      expect(objectAt(row, "object")).toMatchObject({
        kind: "PartialObjectMetadata",
        metadata: { name: "p" },
      });
    });

    test("metadata alone can be asked for", async () => {
      const list = await open().get("/api/v1/namespaces", 200, {
        accept: "application/json;as=PartialObjectMetadataList;v=v1;g=meta.k8s.io",
      });
      expect(list).toMatchObject({ kind: "PartialObjectMetadataList", apiVersion: "meta.k8s.io/v1" });
      expect(listAt(list, "items")[0]).not.toHaveProperty("spec");
    });
  });
}
