import fc from "fast-check";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import type { ConfigMap } from "../core/index.ts";
import { FakeCluster } from "../fake.ts";
import { kinds } from "../kinds.ts";
import type { Change, ClusterView, ClusterViewOptions } from "../view.ts";
import { viewIndex } from "../view.ts";
import { createClusterView } from "./cluster-view.ts";

const namespace = "test";
const map = (name: string, data: Record<string, string> = {}) => ({ metadata: { name, namespace }, data });
const until = (check: () => void) => vi.waitFor(check, { timeout: 30_000, interval: 1 });

let cluster: FakeCluster;
let view: ClusterView;
let log: string[];

const open = (options: Partial<ClusterViewOptions> = {}) => {
  const write = (_fields: object, message: string) => void log.push(message);
  const logger = { info: write, warn: write, error: write };
  view = createClusterView({
    client: cluster.client(),
    kinds: [kinds.ConfigMap],
    logger,
    random: () => 0,
    ...options,
  });
  return view;
};
const names = () =>
  view
    .list(kinds.ConfigMap)
    .map(({ metadata }) => metadata.name)
    .sort();
const create = (name: string, data?: Record<string, string>) =>
  cluster.client().create(kinds.ConfigMap, map(name, data));
const remove = (name: string) => cluster.client().delete(kinds.ConfigMap, { name, namespace });
const state = () => view.health().sources[0]?.state;

beforeEach(() => {
  cluster = new FakeCluster();
  log = [];
});
afterEach(() => view.close());

describe("what a view knows", () => {
  test("everything that existed, and every change since", async () => {
    await create("a", { n: "1" });
    await open().synced(AbortSignal.timeout(30_000));
    expect(names()).toEqual(["a"]);
    await create("b");
    await remove("a");
    await until(() => expect(names()).toEqual(["b"]));
    expect(view.get(kinds.ConfigMap, { name: "b", namespace })?.metadata.name).toBe("b");
    expect(view.get(kinds.ConfigMap, { name: "b", namespace: "other" })).toBeUndefined();
    expect(view.list(kinds.ConfigMap, { namespace: "other" })).toEqual([]);
    expect(view.health()).toMatchObject({
      healthy: true,
      sources: [{ state: "synced", objects: 1, lists: 1 }],
    });
  });

  test("objects by index, before and after they change", async () => {
    const byColour = viewIndex(kinds.ConfigMap, ({ data }) => (data?.colour ? [data.colour] : []));
    const found = (colour: string) => view.byIndex(byColour, colour).map(({ metadata }) => metadata.name);
    const a = await create("a", { colour: "red" });
    await open().synced();
    expect(found("red")).toEqual(["a"]);
    await cluster.client().replace(kinds.ConfigMap, { ...a, data: { colour: "blue" } });
    await until(() => expect(found("blue")).toEqual(["a"]));
    expect(found("red")).toEqual([]);
    await remove("a");
    await until(() => expect(found("blue")).toEqual([]));
  });

  test("only what its source selects", async () => {
    await create("a");
    await create("b");
    open({ kinds: [{ kind: kinds.ConfigMap, fieldSelector: "metadata.name=b" }] });
    await view.synced();
    expect(names()).toEqual(["b"]);
  });

  test("a kind it does not watch is a mistake it names", async () => {
    await open().synced();
    expect(() => view.list(kinds.Pod)).toThrow(/pods\. is not watched/);
    expect(() => open({ kinds: [kinds.Pod, kinds.Pod] })).toThrow(/give each kind once/);
  });
});

describe("subscribers", () => {
  test("get what exists, then each change with its previous state", async () => {
    const a = await create("a", { n: "1" });
    await open().synced();
    const seen: Change<ConfigMap>[] = [];
    using _ = view.subscribe(kinds.ConfigMap, (change) => void seen.push(change));
    expect(seen).toMatchObject([{ type: "added", replayed: true, object: { data: { n: "1" } } }]);
    await cluster.client().replace(kinds.ConfigMap, { ...a, data: { n: "2" } });
    await remove("a");
    await until(() => expect(seen.map(({ type }) => type)).toEqual(["added", "updated", "deleted"]));
    expect(seen[1]).toMatchObject({ object: { data: { n: "2" } }, previous: { data: { n: "1" } } });
  });

  test("that throw are logged, and neither stop the view nor the others", async () => {
    await open().synced();
    const seen: string[] = [];
    view.subscribe(kinds.ConfigMap, () => {
      throw new Error("broken handler");
    });
    view.subscribe(kinds.ConfigMap, ({ object }) => void seen.push(object.metadata.name));
    await create("a");
    await create("b");
    await until(() => expect(seen).toEqual(["a", "b"]));
    expect(log.filter((message) => message.includes("handler"))).toHaveLength(2);
    expect(view.health().healthy).toBe(true);
  });

  test("that left hear nothing", async () => {
    await open().synced();
    const seen: string[] = [];
    view.subscribe(kinds.ConfigMap, ({ object }) => void seen.push(object.metadata.name))[Symbol.dispose]();
    await create("a");
    await until(() => expect(names()).toEqual(["a"]));
    expect(seen).toEqual([]);
  });

  test("learn that an object was deleted and created again under the same name while nobody watched", async () => {
    await create("a", { n: "1" });
    await open().synced();
    const seen: string[] = [];
    view.subscribe(kinds.ConfigMap, ({ type, object }) => void seen.push(`${type} ${object.data?.n}`), {
      replay: false,
    });
    cluster.setDown(true);
    await until(() => expect(state()).toBe("retrying"));
    cluster.setDown(false);
    cluster.store.delete(kinds.ConfigMap, { name: "a", namespace });
    cluster.store.create(kinds.ConfigMap, map("a", { n: "2" }));
    cluster.compact();
    await until(() => expect(seen).toEqual(["deleted 1", "added 2"]));
  });
});

describe("what a view survives", () => {
  test("watches that end: it resumes without listing again", async () => {
    await open().synced();
    await create("a");
    await until(() => expect(names()).toEqual(["a"]));
    cluster.disconnect();
    await create("b");
    await until(() => expect(names()).toEqual(["a", "b"]));
    expect(view.health().sources[0]?.lists).toBe(1);
  });

  test("forgotten history: it lists again", async () => {
    await open().synced();
    cluster.setDown(true);
    await until(() => expect(state()).toBe("retrying"));
    cluster.setDown(false);
    cluster.store.create(kinds.ConfigMap, map("a"));
    cluster.compact();
    await until(() => expect(names()).toEqual(["a"]));
    expect(view.health().sources[0]?.lists).toBe(2);
  });

  test("bookmarks move the point of resumption, so that forgotten history does no harm", async () => {
    await open().synced();
    await cluster.client().create(kinds.Secret, { metadata: { name: "noise", namespace } });
    cluster.bookmark();
    // The next object proves that the bookmark before it was read.
    await create("a");
    await until(() => expect(names()).toEqual(["a"]));
    cluster.compact();
    cluster.disconnect();
    await create("b");
    await until(() => expect(names()).toEqual(["a", "b"]));
    expect(view.health().sources[0]?.lists).toBe(1);
  });

  test("the loss of the server: what it knew still answers, and it says so", async () => {
    await create("a");
    await open().synced();
    cluster.setDown(true);
    await until(() => expect(state()).toBe("retrying"));
    expect(names()).toEqual(["a"]);
    expect(view.health()).toMatchObject({ healthy: false, sources: [{ error: { code: "Unavailable" } }] });
    cluster.setDown(false);
    await create("b");
    await until(() => expect(names()).toEqual(["a", "b"]));
    expect(view.health().healthy).toBe(true);
    expect(log.filter((message) => message.startsWith("cannot watch"))).toHaveLength(1);
  });

  test("a server that is down from the start", async () => {
    cluster.setDown(true);
    open();
    await expect(view.synced(AbortSignal.timeout(20))).rejects.toThrow();
    cluster.setDown(false);
    await create("a");
    await view.synced(AbortSignal.timeout(30_000));
    await until(() => expect(names()).toEqual(["a"]));
  });

  test("a kind that is installed later: synced meanwhile, seen soon after", async () => {
    cluster = new FakeCluster({ missing: [kinds.VirtualMachineInstanceMigration] });
    open({ kinds: [kinds.VirtualMachineInstanceMigration] });
    await view.synced(AbortSignal.timeout(30_000));
    expect(state()).toBe("missing");
    expect(view.health().healthy).toBe(true);
    cluster.serve(kinds.VirtualMachineInstanceMigration);
    const metadata = { name: "move", namespace };
    await cluster
      .client()
      .create(kinds.VirtualMachineInstanceMigration, { metadata, spec: { vmiName: "vm" } });
    await until(() => expect(view.list(kinds.VirtualMachineInstanceMigration)).toHaveLength(1));
    expect(state()).toBe("synced");
  });

  test("a kind that is denied for a moment: nothing is forgotten; denied for a minute, everything is", async () => {
    let now = 0;
    await create("a");
    await open({ now: () => now, random: () => -0.499 }).synced();
    cluster.unserve(kinds.ConfigMap);
    await until(() => expect(view.health().sources[0]?.error).toMatchObject({ code: "NotServed" }));
    now = 59_000;
    expect(state()).toBe("retrying");
    expect(names()).toEqual(["a"]);
    now = 60_000;
    await until(() => expect(state()).toBe("missing"));
    expect(names()).toEqual([]);
    cluster.serve(kinds.ConfigMap);
    await until(() => expect(names()).toEqual(["a"]));
  });

  test("closing while it waits", async () => {
    cluster.setDown(true);
    open();
    await until(() => expect(state()).toBe("retrying"));
    await view.close();
  });
});

test("whatever happens to the server, the view ends with what the server has", async () => {
  const step = fc.oneof(
    fc.record({ type: fc.constantFrom("put", "delete"), name: fc.constantFrom("a", "b", "c"), n: fc.nat(9) }),
    fc.record({ type: fc.constantFrom("disconnect", "compact", "bookmark", "down", "up", "turn") }),
  );
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 30 }), async (steps) => {
      cluster = new FakeCluster();
      await using mirror = createClusterView({
        client: cluster.client(),
        kinds: [kinds.ConfigMap],
        random: () => -0.499,
      });
      const heard = new Map<string, string | undefined>();
      mirror.subscribe(kinds.ConfigMap, ({ type, object }) => {
        if (type === "deleted") heard.delete(object.metadata.name);
        else heard.set(object.metadata.name, object.metadata.resourceVersion);
      });
      for (const one of steps) {
        const { store } = cluster;
        const exists =
          "name" in one && store.objects(kinds.ConfigMap).some(({ metadata }) => metadata.name === one.name);
        if (one.type === "put" && "name" in one)
          cluster.put(kinds.ConfigMap, map(one.name, { n: `${one.n}` }));
        else if (one.type === "delete" && "name" in one && exists)
          store.delete(kinds.ConfigMap, { name: one.name, namespace });
        else if (one.type === "disconnect") cluster.disconnect();
        else if (one.type === "compact") cluster.compact();
        else if (one.type === "bookmark") cluster.bookmark();
        else if (one.type === "down" || one.type === "up") cluster.setDown(one.type === "down");
        else await new Promise((resolve) => setImmediate(resolve));
      }
      cluster.setDown(false);
      const truth = new Map(
        cluster.store
          .objects(kinds.ConfigMap)
          .map(({ metadata }) => [metadata.name, metadata.resourceVersion]),
      );
      await until(() => expect(heard).toEqual(truth));
      expect(mirror.list(kinds.ConfigMap)).toHaveLength(truth.size);
    }),
    { numRuns: 60 },
  );
  open();
});
