import { kinds } from "@fairlead/api";
import { FakeCluster } from "@fairlead/api/fake";
import { expect, it } from "vitest";
import { createRemarks } from "./remarks.ts";
import { createWarnings } from "./warnings.ts";

it("a remark is said once when it is new and once when it is over, and listed meanwhile", () => {
  const lines: string[] = [];
  const events: string[] = [];
  const write = (_: object, text: string) => void lines.push(text);
  const remarks = createRemarks({
    log: { info: write, warn: write },
    onNew: (reason, text) => events.push(`${reason} ${text}`),
  });
  remarks.say("state", ["full"]);
  remarks.say("plug-ins", ["no loopback", "no portmap"]);
  remarks.say("plug-ins", ["no loopback"]);
  expect([remarks.list(), remarks.list("state")]).toEqual([["full", "no loopback"], ["full"]]);
  remarks.say("plug-ins", []);
  remarks.say("state", []);
  expect(lines).toEqual([
    "full",
    "no loopback",
    "no portmap",
    "over: no portmap",
    "over: no loopback",
    "over: full",
  ]);
  expect(events).toEqual(["StateNotWritten full", "PluginMissing no loopback", "PluginMissing no portmap"]);
  expect(remarks.list()).toEqual([]);
});

it("a warning is one event on its object, however often it is met", async () => {
  const cluster = new FakeCluster();
  const client = cluster.client();
  const warnings = createWarnings({
    client,
    nodeName: "node-1",
    now: () => 0,
    onError: (error) => expect.unreachable(String(error)),
  });
  const node = { kind: "Node", name: "node-1", uid: "node-1" } as const;
  const pod = { kind: "Pod", namespace: "team", name: "web", uid: "u1" } as const;
  for (const about of [node, pod, node, pod]) warnings.warn(about, "PluginMissing", "x".repeat(5000));
  const listed = async (namespace: string) => (await client.list(kinds.Event, { namespace })).items;
  await expect.poll(async () => (await listed("team")).length).toBe(1);
  const [onNode, onPod] = [await listed("default"), await listed("team")];
  expect(onNode).toMatchObject([{ involvedObject: { apiVersion: "v1", kind: "Node", name: "node-1" } }]);
  expect(onPod).toMatchObject([
    { involvedObject: { kind: "Pod", namespace: "team", name: "web", uid: "u1" }, type: "Warning" },
  ]);
  expect(onPod[0]?.message).toHaveLength(1024);
});
