import { kinds } from "@fairlead/api";
import { FakeCluster } from "@fairlead/api/fake";
import { expect, it } from "vitest";
import { createPodAnnotator } from "./annotator.ts";
import { fakeAttachment } from "./fakes.fixture.ts";
import { putPod } from "./virtual-machine.fixture.ts";

const prefix = "cni.projectcalico.org/";
const signal = AbortSignal.timeout(10_000);

function annotated() {
  const cluster = new FakeCluster();
  const client = cluster.client();
  putPod(cluster, "web", "node-a");
  const pod = { namespace: "default", name: "web", uid: "uid-web" };
  const attachment = fakeAttachment("web", {
    pod,
    addresses: ["10.244.0.9", "fd00::9"],
    containerId: "second",
  });
  const read = async () => (await client.get(kinds.Pod, pod)).metadata.annotations;
  return { annotator: createPodAnnotator(client), attachment, pod, read };
}

const written = {
  [`${prefix}containerID`]: "second",
  [`${prefix}podIP`]: "10.244.0.9/32",
  [`${prefix}podIPs`]: "10.244.0.9/32,fd00::9/128",
};

it("the addresses are written with their container, and emptied by its end", async () => {
  const { annotator, attachment, read } = annotated();
  await annotator.attached(attachment, signal);
  expect(await read()).toEqual(written);
  await annotator.detached(attachment, signal);
  expect(await read()).toEqual({ ...written, [`${prefix}podIP`]: "", [`${prefix}podIPs`]: "" });
});

it.each([
  ["an earlier container of the pod", { containerId: "first" }],
  ["a pod of that name with another UID", { pod: { namespace: "default", name: "web", uid: "uid-before" } }],
  ["a pod that is gone", { pod: { namespace: "default", name: "gone" } }],
])("the end of %s empties nothing", async (_, other) => {
  const { annotator, attachment, pod, read } = annotated();
  await annotator.attached(attachment, signal);
  await annotator.detached({ containerId: "second", pod, ...other }, signal);
  expect(await read()).toEqual(written);
});

it("a container of which only the runtime still knows is told from others by what stands in the pod", async () => {
  const { annotator, attachment, read } = annotated();
  await annotator.attached(attachment, signal);
  await annotator.detached({ containerId: "second", pod: { namespace: "default", name: "web" } }, signal);
  expect((await read())?.[`${prefix}podIP`]).toBe("");
});
