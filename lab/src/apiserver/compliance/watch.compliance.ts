import { describe, expect, test } from "vitest";
import type { Connection } from "../connection.ts";
import { type JsonObject, stringAt } from "../json.ts";
import { Client, configMap, type Subject } from "./target.ts";

type Event = { readonly type: string; readonly object: JsonObject };

/** Reads events until `enough` says so. */
async function read(
  connection: Connection,
  path: string,
  enough: (events: readonly Event[]) => boolean,
): Promise<Event[]> {
  const events: Event[] = [];
  const stop = AbortSignal.timeout(30_000);
  for await (const event of connection.watch(path, stop)) {
    events.push(event);
    if (enough(events)) break;
  }
  expect(stop.aborted, `watch of ${path} gave only ${JSON.stringify(events)}`).toBe(false);
  return events;
}

const summary = (events: readonly Event[]): string[] =>
  events.map(({ type, object }) => `${type} ${stringAt(object, "metadata", "name") ?? ""}`.trim());

export function watchCases(subject: Subject): void {
  const open = async () => {
    const client = new Client(subject().admin);
    const namespace = await client.namespace();
    const maps = `/api/v1/namespaces/${namespace}/configmaps`;
    const version = stringAt(await client.get(maps), "metadata", "resourceVersion")!;
    const label = { labels: { mine: "yes" } };
    return { client, maps, version, label, query: `watch=true&labelSelector=mine%3Dyes` };
  };

  describe("watch", () => {
    test("from a version, everything that happened since arrives in order", async () => {
      const { client, maps, version, label, query } = await open();
      const created = await client.post(maps, configMap("a", { x: "1" }, label));
      await client.put(`${maps}/a`, { ...created, data: { x: "2" } });
      await client.delete(`${maps}/a`);
      const events = await read(
        client.connection,
        `${maps}?${query}&resourceVersion=${version}`,
        (e) => e.length === 3,
      );
      expect(summary(events)).toEqual(["ADDED a", "MODIFIED a", "DELETED a"]);
      const versions = events.map(({ object }) => Number(stringAt(object, "metadata", "resourceVersion")));
      expect(versions).toEqual([...versions].sort((a, b) => a - b));
    });

    test("without a version, what exists comes first as ADDED", async () => {
      const { client, maps, label, query } = await open();
      await client.post(maps, configMap("a", {}, label));
      await client.post(maps, configMap("b", {}, label));
      const events = await read(client.connection, `${maps}?${query}`, (e) => e.length === 2);
      expect(summary(events).sort()).toEqual(["ADDED a", "ADDED b"]);
    });

    test("an object that comes into a selection is ADDED, one that leaves it DELETED", async () => {
      const { client, maps, version, label, query } = await open();
      await client.post(maps, configMap("a"));
      await client.patch(`${maps}/a`, "merge", { metadata: label });
      await client.patch(`${maps}/a`, "merge", { metadata: { labels: { mine: "no" } } });
      const events = await read(
        client.connection,
        `${maps}?${query}&resourceVersion=${version}`,
        (e) => e.length === 2,
      );
      expect(summary(events)).toEqual(["ADDED a", "DELETED a"]);
    });

    test("sendInitialEvents ends the first part with a marked bookmark", async () => {
      const { client, maps, label, query } = await open();
      await client.post(maps, configMap("a", {}, label));
      const path = `${maps}?${query}&sendInitialEvents=true&allowWatchBookmarks=true&resourceVersionMatch=NotOlderThan`;
      const events = await read(client.connection, path, (e) => e.some((event) => event.type === "BOOKMARK"));
      expect(events.map((event) => event.type)).toEqual(["ADDED", "BOOKMARK"]);
      expect(stringAt(events[1]!.object, "metadata", "annotations", "k8s.io/initial-events-end")).toBe(
        "true",
      );
    });

    test("timeoutSeconds ends the stream", async () => {
      const { client, maps, version } = await open();
      const path = `${maps}?watch=true&timeoutSeconds=1&resourceVersion=${version}`;
      const events: Event[] = [];
      for await (const event of client.connection.watch(path, AbortSignal.timeout(30_000)))
        events.push(event);
      expect(events.filter((event) => event.type !== "BOOKMARK")).toEqual([]);
    });

    test("a version that is forgotten is answered 410 Expired", async ({ skip }) => {
      const { client, maps, version, label, query } = await open();
      const { compact } = subject();
      if (!compact) return skip("only our own server compacts on request");
      await client.post(maps, configMap("a", {}, label));
      compact();
      const events = await read(
        client.connection,
        `${maps}?${query}&resourceVersion=${version}`,
        (e) => e.length === 1,
      );
      expect(events[0]).toMatchObject({ type: "ERROR", object: { code: 410, reason: "Expired" } });
    });
  });
}
