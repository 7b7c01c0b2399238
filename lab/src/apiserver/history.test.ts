import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { Connection } from "./connection.ts";
import { type ApiServer, startApiServer } from "./index.ts";
import { type Json, type JsonObject, listAt, stringAt } from "./json.ts";

const names = fc.constantFrom("a", "b", "c");
const data = fc.dictionary(fc.constantFrom("x", "y", "z"), fc.constantFrom("1", "2"), {
  noNullPrototype: true,
});

type Step =
  | {
      readonly verb: "create" | "replace" | "apply";
      readonly name: string;
      readonly data: { [key: string]: string };
    }
  | { readonly verb: "patch"; readonly name: string; readonly data: { [key: string]: string | null } }
  | { readonly verb: "delete"; readonly name: string };

const step: fc.Arbitrary<Step> = fc.oneof(
  fc.record({ verb: fc.constantFrom("create", "replace", "apply"), name: names, data }),
  fc.record({
    verb: fc.constant("patch"),
    name: names,
    data: fc.dictionary(fc.constantFrom("x", "y", "z"), fc.constantFrom("1", "2", null), {
      noNullPrototype: true,
    }),
  }),
  fc.record({ verb: fc.constant("delete"), name: names }),
);

/** What clients do to a namespace, and what those who watch it see. */
describe("any history", () => {
  let server: ApiServer;
  let connection: Connection;
  beforeAll(async () => {
    server = await startApiServer();
    connection = new Connection(server.adminKubeconfig);
  });
  afterAll(async () => {
    connection.close();
    await server.close();
  });

  let count = 0;
  const namespace = async (): Promise<string> => {
    const name = `history-${++count}`;
    const body = { apiVersion: "v1", kind: "Namespace", metadata: { name } };
    await connection.call({ method: "POST", path: "/api/v1/namespaces", body });
    return `/api/v1/namespaces/${name}/configmaps`;
  };
  const carryOut = async (path: string, action: Step): Promise<void> => {
    const { verb, name } = action;
    const at = `${path}/${name}`;
    if (verb === "delete") {
      await connection.call({ method: "DELETE", path: at });
      return;
    }
    const object = { apiVersion: "v1", kind: "ConfigMap", metadata: { name }, data: action.data };
    const call = (method: string, target: string, body: Json, type = "application/json") =>
      connection.call({ method, path: target, body, headers: { "content-type": type } });
    if (verb === "create") await call("POST", path, object);
    else if (verb === "replace") await call("PUT", at, object);
    else if (verb === "patch") await call("PATCH", at, { data: action.data }, "application/merge-patch+json");
    else await call("PATCH", `${at}?fieldManager=m&force=true`, object, "application/apply-patch+yaml");
  };
  const read = async (path: string): Promise<{ version: string; objects: Map<string, JsonObject> }> => {
    const { json } = await connection.call({ path });
    const objects = listAt(json, "items").map((item): [string, JsonObject] => [
      stringAt(item, "metadata", "name")!,
      item as JsonObject,
    ]);
    return { version: stringAt(json, "metadata", "resourceVersion")!, objects: new Map(objects) };
  };
  /** Brings a list up to date by the events since, as an informer does. */
  const replay = async (
    path: string,
    from: { version: string; objects: Map<string, JsonObject> },
    until: string,
  ): Promise<Map<string, JsonObject>> => {
    const objects = new Map(from.objects);
    if (from.version === until) return objects;
    const watch = `${path}?watch=true&resourceVersion=${from.version}`;
    for await (const { type, object } of connection.watch(watch, AbortSignal.timeout(30_000))) {
      const name = stringAt(object, "metadata", "name")!;
      if (name === "end") break;
      expect(objects.has(name), `${type} ${name}`).toBe(type !== "ADDED");
      if (type === "DELETED") objects.delete(name);
      else objects.set(name, object);
    }
    return objects;
  };

  test("replayed from any point on leads to what a list shows", { timeout: 60_000 }, async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 12 }), fc.nat(12), async (steps, cut) => {
        const path = await namespace();
        for (const action of steps.slice(0, cut)) await carryOut(path, action);
        const seen = await read(path);
        for (const action of steps.slice(cut)) await carryOut(path, action);
        const { objects } = await read(path);
        await carryOut(path, { verb: "create", name: "end", data: {} });
        const { version } = await read(path);
        expect(await replay(path, seen, version)).toEqual(new Map(objects));
      }),
      { numRuns: 25 },
    );
  });

  test("of configurations leaves the last one, and what others wrote beside it", {
    timeout: 60_000,
  }, async () => {
    const others = fc.dictionary(fc.constantFrom("p", "q"), fc.constantFrom("1", "2"), {
      noNullPrototype: true,
    });
    await fc.assert(
      fc.asyncProperty(
        fc.array(data, { minLength: 1, maxLength: 5 }),
        others,
        async (configurations, beside) => {
          const path = await namespace();
          await carryOut(path, { verb: "create", name: "a", data: beside });
          for (const wanted of configurations)
            await carryOut(path, { verb: "apply", name: "a", data: wanted });
          const { objects } = await read(path);
          expect(objects.get("a")?.data ?? {}).toEqual({ ...beside, ...configurations.at(-1) });
        },
      ),
      { numRuns: 25 },
    );
  });
});
