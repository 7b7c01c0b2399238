import { describe, expect, test } from "vitest";
import { type JsonObject, listAt, objectAt, stringAt } from "../json.ts";
import type { KubeObject } from "../objects.ts";
import { Client, configMap, pod, type Subject, uniqueName } from "./target.ts";

/** Corners of server-side apply. */
export function applyCases(subject: Subject): void {
  const open = async (plural: string) => {
    const client = new Client(subject().admin);
    const root = `/api/v1/namespaces/${await client.namespace()}/${plural}`;
    const apply = async (manager: string, body: JsonObject, code = 200, query = ""): Promise<JsonObject> => {
      const name = stringAt(body, "metadata", "name")!;
      return client.patch(`${root}/${name}?fieldManager=${manager}${query}`, "apply", body, code);
    };
    return { client, root, apply };
  };
  const managers = (object: JsonObject): (string | undefined)[] =>
    listAt(object, "metadata", "managedFields").map((entry) => stringAt(entry, "manager"));

  describe("server-side apply, at its corners", () => {
    test("the same value of two managers is no conflict, and goes when the last of them lets go", async () => {
      const { apply } = await open("configmaps");
      await apply("one", configMap("a", { x: "1" }), 201);
      await apply("two", configMap("a", { x: "1", y: "2" }));
      expect((await apply("one", configMap("a", {}))).data).toEqual({ x: "1", y: "2" });
      expect((await apply("two", configMap("a", { y: "2" }))).data).toEqual({ y: "2" });
    });

    test("an atomic list belongs to one manager as a whole", async () => {
      const { apply } = await open("pods");
      const name = uniqueName("p");
      const tolerating = (...keys: string[]): JsonObject =>
        pod(name, { schedulerName: "nobody", tolerations: keys.map((key) => ({ key, operator: "Exists" })) });
      await apply("one", tolerating("a"), 201);
      const status = await apply("two", tolerating("a", "b"), 409);
      expect(stringAt(status, "message")).toContain(".spec.tolerations");
    });

    test("a dry run answers as if, and changes nothing", async () => {
      const { client, root, apply } = await open("configmaps");
      const first = (await apply("one", configMap("a", { x: "1" }), 201)) as KubeObject;
      const tried = await apply("one", configMap("a", { x: "2" }), 200, "&dryRun=All");
      expect(tried.data).toEqual({ x: "2" });
      expect(await client.get(`${root}/a`)).toEqual(first);
      await apply("one", configMap("new", { x: "1" }), 201, "&dryRun=All");
      await client.get(`${root}/new`, 404);
    });

    test("a patch of a field takes it from the manager that applied it, whose next apply then conflicts", async () => {
      const { client, root, apply } = await open("configmaps");
      await apply("one", configMap("a", { x: "1", y: "1" }), 201);
      await client.patch(`${root}/a?fieldManager=hand`, "merge", { data: { x: "2" } });
      const status = await apply("one", configMap("a", { x: "1", y: "1" }), 409);
      expect(stringAt(status, "message")).toContain('conflict with "hand"');
      const forced = await apply("one", configMap("a", { x: "1", y: "1" }), 200, "&force=true");
      expect(forced.data).toEqual({ x: "1", y: "1" });
      expect(managers(forced)).toEqual(["one"]);
    });

    test("an object under an old version is a conflict, managedFields are not to be applied", async () => {
      const { client, root, apply } = await open("configmaps");
      const created = (await apply("one", configMap("a", { x: "1" }), 201)) as KubeObject;
      await client.patch(`${root}/a`, "merge", { data: { y: "1" } });
      const { resourceVersion } = created.metadata;
      await apply("one", configMap("a", { x: "2" }, { resourceVersion: resourceVersion! }), 409);
      const managedFields = objectAt(created, "metadata")!.managedFields!;
      await apply("one", configMap("a", { x: "2" }, { managedFields }), 400);
    });
  });
}
