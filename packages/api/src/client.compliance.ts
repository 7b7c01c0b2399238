import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { ApiClient, WatchEvent } from "./client.ts";
import { getIfPresent, listAll } from "./client.ts";
import type { ConfigMap, Pod } from "./core/index.ts";
import { type ApiErrorCode, isApiError } from "./error.ts";
import { defineKind } from "./kind.ts";
import { kinds } from "./kinds.ts";

/** No server may serve it. */
export const unservedKind = defineKind({
  group: "nobody.fairlead.dev",
  version: "v1",
  kind: "Nothing",
  plural: "nothings",
});

/** A client and a namespace that holds nothing yet. */
export interface Subject {
  readonly client: ApiClient;
  readonly namespace: string;
  readonly close: () => Promise<void>;
}

/** What every ApiClient does, in memory or against a real server. Uses ConfigMaps, Pods, and the kinds named below. */
export function describeApiClient(name: string, open: () => Promise<Subject>): void {
  describe(name, () => {
    let subject: Subject;
    let client: ApiClient;
    let namespace: string;

    beforeEach(async () => {
      subject = await open();
      ({ client, namespace } = subject);
    });
    afterEach(() => subject.close());

    const draft = (name: string, data: Record<string, string> = {}, more: object = {}) => ({
      metadata: { name, namespace, ...more },
      data,
    });
    const create = (name: string, data?: Record<string, string>, more?: object) =>
      client.create(kinds.ConfigMap, draft(name, data, more));
    const fails = async (code: ApiErrorCode, call: Promise<unknown>) => {
      const error = await call.then(
        () => undefined,
        (reason: unknown) => reason,
      );
      if (!isApiError(error)) throw new Error(`expected an ApiError ${code}, got ${String(error)}`);
      expect(error.code, error.message).toBe(code);
      expect(error.remedy).not.toBe("");
    };
    /** Collects events until the predicate holds. Fails after five seconds. */
    const collect = async (
      options: { resourceVersion?: string; labelSelector?: string },
      isEnough: (events: WatchEvent<ConfigMap>[]) => boolean,
    ) => {
      const events: WatchEvent<ConfigMap>[] = [];
      const signal = AbortSignal.timeout(30_000);
      for await (const event of client.watch(kinds.ConfigMap, { namespace, signal, ...options })) {
        if (event.type !== "BOOKMARK") events.push(event);
        if (isEnough(events)) break;
      }
      return events;
    };
    const briefly = (events: WatchEvent<ConfigMap>[]) =>
      events.map((event) =>
        event.type === "BOOKMARK" ? "BOOKMARK" : `${event.type} ${event.object.metadata.name}`,
      );

    test("create fills in what the server decides, and get returns the same", async () => {
      const created = await create("a", { key: "value" });
      expect(created).toMatchObject({ apiVersion: "v1", kind: "ConfigMap", data: { key: "value" } });
      expect(created.metadata.uid).toMatch(/^[0-9a-f-]{36}$/);
      expect(created.metadata.resourceVersion).toMatch(/^\d+$/);
      expect(created.metadata.creationTimestamp).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/);
      expect(await client.get(kinds.ConfigMap, { name: "a", namespace })).toEqual(created);
    });

    test("generateName makes names that differ", async () => {
      const made = await Promise.all(
        [1, 2, 3].map(() => client.create(kinds.ConfigMap, { metadata: { generateName: "x-", namespace } })),
      );
      const names = made.map(({ metadata }) => metadata.name);
      expect(new Set(names).size).toBe(3);
      for (const name of names) expect(name).toMatch(/^x-[a-z0-9]{5}$/);
    });

    test("a missing object is NotFound, a second one of the same name AlreadyExists", async () => {
      await fails("NotFound", client.get(kinds.ConfigMap, { name: "none", namespace }));
      await fails("NotFound", client.delete(kinds.ConfigMap, { name: "none", namespace }));
      await create("a");
      await fails("AlreadyExists", create("a"));
    });

    test("a kind the server does not serve is NotServed, whatever is asked of it", async () => {
      const ref = { name: "a", namespace };
      await fails("NotServed", client.get(unservedKind, ref));
      await fails("NotServed", getIfPresent(client, unservedKind, ref));
      await fails("NotServed", client.list(unservedKind));
      await fails("NotServed", client.delete(unservedKind, ref));
      await fails("NotServed", client.create(unservedKind, { metadata: ref }));
    });

    test("get if present gives what get gives, and undefined for an object that is missing or deleted", async () => {
      const ref = { name: "a", namespace };
      expect(await getIfPresent(client, kinds.ConfigMap, ref)).toBeUndefined();
      const created = await create("a");
      expect(await getIfPresent(client, kinds.ConfigMap, ref)).toEqual(created);
      await client.delete(kinds.ConfigMap, ref);
      expect(await getIfPresent(client, kinds.ConfigMap, ref)).toBeUndefined();
    });

    test("a name that is not a DNS subdomain is Invalid", async () => {
      await fails("Invalid", create("Not_A_Name"));
    });

    test("replace is conditional on the revision it was read at", async () => {
      const first = await create("a", { n: "1" });
      const second = await client.replace(kinds.ConfigMap, { ...first, data: { n: "2" } });
      expect(second.metadata.resourceVersion).not.toBe(first.metadata.resourceVersion);
      await fails("Conflict", client.replace(kinds.ConfigMap, { ...first, data: { n: "3" } }));
      expect((await client.get(kinds.ConfigMap, { name: "a", namespace })).data).toEqual({ n: "2" });
    });

    test("replacing by the same content keeps the revision", async () => {
      const first = await create("a", { n: "1" });
      const second = await client.replace(kinds.ConfigMap, first);
      expect(second.metadata.resourceVersion).toBe(first.metadata.resourceVersion);
    });

    test("dry run validates and keeps nothing", async () => {
      await client.create(kinds.ConfigMap, draft("a"), { dryRun: true });
      await fails("NotFound", client.get(kinds.ConfigMap, { name: "a", namespace }));
      await fails("Invalid", client.create(kinds.ConfigMap, draft("No"), { dryRun: true }));
    });

    test("of many writers with the same revision exactly one wins", async () => {
      const first = await create("a");
      const results = await Promise.allSettled(
        Array.from({ length: 8 }, (_, i) =>
          client.replace(kinds.ConfigMap, { ...first, data: { n: `${i}` } }),
        ),
      );
      expect(results.filter(({ status }) => status === "fulfilled")).toHaveLength(1);
      for (const result of results)
        if (result.status === "rejected") expect(isApiError(result.reason, "Conflict")).toBe(true);
    });

    test("merge patch merges objects, removes what is null, replaces lists", async () => {
      await create("a", { keep: "1", drop: "2" });
      const patch = { data: { drop: null, add: "3" }, metadata: { labels: { app: "x" } } };
      const after = await client.patch(kinds.ConfigMap, { name: "a", namespace }, patch, { type: "merge" });
      expect(after.data).toEqual({ keep: "1", add: "3" });
      expect(after.metadata.labels).toEqual({ app: "x" });
    });

    test("a merge patch that names a stale revision is a Conflict", async () => {
      const { metadata } = await create("a");
      await client.patch(kinds.ConfigMap, metadata, { data: { n: "1" } }, { type: "merge" });
      const stale = { metadata: { resourceVersion: metadata.resourceVersion }, data: { n: "2" } };
      await fails("Conflict", client.patch(kinds.ConfigMap, metadata, stale, { type: "merge" }));
    });

    test("json patch applies all operations or none", async () => {
      const { metadata } = await create("a", { n: "1", m: "1" });
      const ref = { name: metadata.name, namespace };
      const good = [
        { op: "test", path: "/data/n", value: "1" },
        { op: "replace", path: "/data/n", value: "2" },
        { op: "remove", path: "/data/m" },
        { op: "add", path: "/data/a~1b", value: "slash" },
      ];
      const after = await client.patch(kinds.ConfigMap, ref, good, { type: "json" });
      expect(after.data).toEqual({ n: "2", "a/b": "slash" });
      const bad = [
        { op: "replace", path: "/data/n", value: "3" },
        { op: "test", path: "/data/n", value: "other" },
      ];
      await fails("Invalid", client.patch(kinds.ConfigMap, ref, bad, { type: "json" }));
      expect((await client.get(kinds.ConfigMap, ref)).data?.n).toBe("2");
    });

    test("strategic patch merges a pod's conditions by type", async () => {
      await client.create(kinds.Pod, pod(namespace, "p"));
      const set = (type: string, status: string) =>
        client.patch(
          kinds.Pod,
          { name: "p", namespace },
          { status: { conditions: [{ type, status }] } },
          { type: "strategic", subresource: "status" },
        );
      await set("example.com/One", "True");
      await set("example.com/Two", "True");
      const after = await set("example.com/One", "False");
      const ours = after.status?.conditions?.filter(({ type }) => type.startsWith("example.com/"));
      expect(ours?.map(({ type, status }) => `${type}=${status}`).sort()).toEqual([
        "example.com/One=False",
        "example.com/Two=True",
      ]);
    });

    test("apply creates, and later merges", async () => {
      const ref = { name: "a", namespace };
      const shape = (data: Record<string, string>) => ({
        apiVersion: "v1",
        kind: "ConfigMap",
        metadata: ref,
        data,
      });
      const options = { type: "apply", fieldManager: "test" } as const;
      const created = await client.patch(kinds.ConfigMap, ref, shape({ one: "1" }), options);
      expect(created.data).toEqual({ one: "1" });
      const changed = await client.patch(kinds.ConfigMap, ref, shape({ one: "2" }), options);
      expect(changed.data).toEqual({ one: "2" });
    });

    test("status is written apart from the rest", async () => {
      const created = await client.create(kinds.Pod, pod(namespace, "p"));
      const changed = {
        ...created,
        metadata: { ...created.metadata },
        status: { phase: "Running" as const },
      };
      changed.metadata.labels = { ignored: "yes" };
      const after = await client.replaceStatus(kinds.Pod, changed);
      expect(after.status?.phase).toBe("Running");
      const viaObject = await client.replace(kinds.Pod, { ...after, status: { phase: "Failed" } });
      expect(viaObject.status?.phase).toBe("Running");
    });

    test("delete refuses an object that is not the one meant", async () => {
      const { metadata } = await create("a");
      const other = "11111111-2222-4333-8444-555555555555";
      await fails("Conflict", client.delete(kinds.ConfigMap, metadata, { preconditions: { uid: other } }));
      await client.patch(kinds.ConfigMap, metadata, { data: { n: "1" } }, { type: "merge" });
      const { uid, resourceVersion } = metadata;
      await fails(
        "Conflict",
        client.delete(kinds.ConfigMap, metadata, { preconditions: { uid, resourceVersion } }),
      );
      await client.delete(kinds.ConfigMap, metadata, { preconditions: { uid } });
      await fails("NotFound", client.get(kinds.ConfigMap, metadata));
    });

    test("a finalizer holds a deleted object until it is removed", async () => {
      const { metadata } = await create("a", {}, { finalizers: ["example.com/hold"] });
      await client.delete(kinds.ConfigMap, metadata);
      const held = await client.get(kinds.ConfigMap, metadata);
      expect(held.metadata.deletionTimestamp).toBeDefined();
      await client.patch(kinds.ConfigMap, metadata, { metadata: { finalizers: null } }, { type: "merge" });
      await fails("NotFound", client.get(kinds.ConfigMap, metadata));
    });

    test("list selects by label and goes page by page", async () => {
      for (const [i, tier] of ["web", "db", "web", "web"].entries())
        await create(`c${i}`, {}, { labels: { tier } });
      const page = await client.list(kinds.ConfigMap, { namespace, labelSelector: "tier=web", limit: 2 });
      expect(page.items).toHaveLength(2);
      expect(page.continue).toBeTruthy();
      const all = await listAll(client, kinds.ConfigMap, { namespace, labelSelector: "tier=web", limit: 2 });
      expect(all.items.map(({ metadata }) => metadata.name)).toEqual(["c0", "c2", "c3"]);
      const others = await listAll(client, kinds.ConfigMap, { namespace, labelSelector: "tier notin (web)" });
      expect(others.items.map(({ metadata }) => metadata.name)).toContain("c1");
    });

    test("list selects by field", async () => {
      await create("a");
      await create("b");
      const { items } = await client.list(kinds.ConfigMap, { namespace, fieldSelector: "metadata.name=b" });
      expect(items.map(({ metadata }) => metadata.name)).toEqual(["b"]);
    });

    test("watch reports every change after the revision, in order", async () => {
      const { resourceVersion } = await client.list(kinds.ConfigMap, { namespace });
      const created = await create("a", { n: "1" });
      await client.replace(kinds.ConfigMap, { ...created, data: { n: "2" } });
      await create("b");
      await client.delete(kinds.ConfigMap, { name: "a", namespace });
      const seen = await collect({ resourceVersion }, (events) => events.length === 4);
      expect(briefly(seen)).toEqual(["ADDED a", "MODIFIED a", "ADDED b", "DELETED a"]);
    });

    test("watch with a label selector shows objects entering and leaving", async () => {
      const { resourceVersion } = await client.list(kinds.ConfigMap, { namespace });
      const { metadata } = await create("a", {}, { labels: { on: "no" } });
      const label = (on: string) =>
        client.patch(kinds.ConfigMap, metadata, { metadata: { labels: { on } } }, { type: "merge" });
      await label("yes");
      await label("no");
      const seen = await collect(
        { resourceVersion, labelSelector: "on=yes" },
        (events) => events.length === 2,
      );
      expect(briefly(seen)).toEqual(["ADDED a", "DELETED a"]);
    });

    test("watch without a revision starts with what exists", async () => {
      await create("a", {}, { labels: { mine: "yes" } });
      const seen = await collect({ labelSelector: "mine=yes" }, (events) => events.length === 1);
      expect(briefly(seen)).toEqual(["ADDED a"]);
    });

    test("an aborted watch and an aborted call reject with the signal's reason", async () => {
      const reason = new Error("enough");
      const controller = new AbortController();
      const watching = (async () => {
        for await (const _ of client.watch(kinds.ConfigMap, { namespace, signal: controller.signal })) {
          // Only the end matters.
        }
      })();
      controller.abort(reason);
      await expect(watching).rejects.toBe(reason);
      const call = client.get(kinds.ConfigMap, { name: "a", namespace }, { signal: controller.signal });
      await expect(call).rejects.toBe(reason);
      const ref = { name: "a", namespace };
      const soft = getIfPresent(client, kinds.ConfigMap, ref, { signal: controller.signal });
      await expect(soft).rejects.toBe(reason);
    });
  });
}

function pod(namespace: string, name: string): Pod {
  return {
    apiVersion: "v1",
    kind: "Pod",
    metadata: { name, namespace },
    spec: { containers: [{ name: "main", image: "none.invalid/none" }] },
  };
}
