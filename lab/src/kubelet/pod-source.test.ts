import { kinds, type Pod } from "@fairlead/api";
import { FakeCluster } from "@fairlead/api/fake";
import { afterEach, beforeEach, expect, it } from "vitest";
import { type PodSource, watchPods } from "./pod-source.ts";

const pod = (name: string, uid: string, nodeName = "n1"): Pod => ({
  apiVersion: "v1",
  kind: "Pod",
  metadata: { name, namespace: "default", uid },
  spec: { nodeName, containers: [{ name: "main" }] },
});

let cluster: FakeCluster;
let heard: string[];
let source: PodSource | undefined;
beforeEach(() => {
  cluster = new FakeCluster();
  heard = [];
});
afterEach(() => source?.close());

async function watch(): Promise<void> {
  source = watchPods(cluster.client(), "n1", {
    signal: new AbortController().signal,
    log: () => {},
    present: ({ metadata }) => heard.push(`present ${metadata.uid}`),
    gone: (uid) => heard.push(`gone ${uid}`),
    complete: (uids) => heard.push(`complete ${[...uids].join(" ")}`),
  });
  await source.synced;
}
const remove = (name: string) =>
  cluster.client().delete(kinds.Pod, { namespace: "default", name }, { gracePeriodSeconds: 0 });

it("tells of each pod of the node, then that these are all", async () => {
  cluster.put(kinds.Pod, pod("a", "1"));
  cluster.put(kinds.Pod, pod("b", "2", "n2"));
  await watch();
  expect(heard).toEqual(["present 1", "complete 1"]);
});

it("tells of changes and of the end, and never again that these are all", async () => {
  await watch();
  cluster.put(kinds.Pod, pod("a", "1"));
  await expect.poll(() => heard).toEqual(["complete ", "present 1"]);
  await remove("a");
  await expect.poll(() => heard).toEqual(["complete ", "present 1", "gone 1"]);
});

it("a pod made again under its name is another pod, also when nobody saw the first one go", async () => {
  cluster.put(kinds.Pod, pod("a", "1"));
  await watch();
  cluster.setDown(true);
  cluster.put(kinds.Pod, pod("a", "2"));
  cluster.setDown(false);
  await expect.poll(() => heard).toEqual(["present 1", "complete 1", "gone 1", "present 2"]);
});
