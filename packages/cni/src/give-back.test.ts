import { describe, expect, it } from "vitest";
import { pod, vm } from "./calls.fixture.ts";
import { CniError } from "./error.ts";
import { createFakeNode } from "./fake-node.fixture.ts";

const sandbox = (n: number | string, name = "web") => ({ pod: name, id: `try-${n}` });

describe("a runtime that retries with new sandboxes and never calls DEL", () => {
  it("makes the pod hold the addresses of one sandbox, the last", async () => {
    const { run, components, endpoints, sandboxes, statusFiles } = createFakeNode(pod("web"));
    for (let n = 1; n <= 50; n++) expect((await run("ADD", sandbox(n))).exitCode).toBe(0);
    expect([...components.addresses.held]).toEqual([["k8s-pod-network.try-50", 2]]);
    expect([sandboxes(), endpoints(), statusFiles().length]).toEqual([["try-50"], ["try-50"], 1]);
    expect([...components.wiring.links.values()].map(({ netns }) => netns)).toEqual(["/run/netns/try-50"]);
    expect((await run("CHECK", sandbox(50))).exitCode).toBe(0);
  });

  it("finds an address as long as one is free, when the earlier interfaces are gone", async () => {
    const { run, components } = createFakeNode(pod("web"));
    for (let n = 1; n <= 3; n++) {
      const held: number[] = [];
      const { assign } = components.addresses;
      components.addresses.assign = async (request) => {
        held.push(components.addresses.held.size);
        return assign(request);
      };
      await run("ADD", sandbox(n));
      components.addresses.assign = assign;
      components.wiring.end(`/run/netns/try-${n}`);
      expect(held).toEqual([0]);
    }
  });

  it("does not take addresses from a sandbox that has its interface before the new one is wired", async () => {
    const { run, components, endpoints, sandboxes, statusFiles } = createFakeNode(pod("web"));
    await run("ADD", sandbox(1));
    const { assign } = components.addresses;
    components.addresses.assign = async () => {
      expect([...components.addresses.held.keys()]).toEqual(["k8s-pod-network.try-1"]);
      expect([endpoints(), statusFiles().length]).toEqual([["try-1"], 1]);
      throw Object.assign(new Error("API server is not there"), { code: "Unavailable" });
    };
    expect((await run("ADD", sandbox(2))).body.code).toBe(11);
    expect([sandboxes(), endpoints(), statusFiles().length]).toEqual([["try-1"], ["try-1"], 1]);
    expect((await run("CHECK", sandbox(1))).exitCode).toBe(0);
    components.addresses.assign = assign;
    await run("ADD", sandbox(3));
    expect([sandboxes(), [...components.addresses.held.keys()]]).toEqual([
      ["try-3"],
      ["k8s-pod-network.try-3"],
    ]);
  });

  it("is given what an earlier sandbox of a pod of the same name but another UID holds", async () => {
    const { run, components, workloads, sandboxes } = createFakeNode(pod("web"));
    await run("ADD", sandbox("old"));
    const [key, again] = pod("web");
    workloads.set(key, { ...again, pod: { ...again.pod, uid: "uid-again" } });
    await run("ADD", sandbox("new"));
    expect([sandboxes(), [...components.addresses.held.keys()]]).toEqual([
      ["try-new"],
      ["k8s-pod-network.try-new"],
    ]);
  });

  it("is served although what was held cannot be given back now; the next ADD does it", async () => {
    const { run, components, sandboxes } = createFakeNode(pod("web"));
    await run("ADD", sandbox(1));
    const { release } = components.addresses;
    components.addresses.release = async () => {
      throw new Error("API server is not there");
    };
    expect((await run("ADD", sandbox(2))).exitCode).toBe(0);
    expect(sandboxes()).toEqual(["try-1", "try-2"]);
    components.addresses.release = release;
    await run("ADD", sandbox(3));
    expect([sandboxes(), [...components.addresses.held.keys()]]).toEqual([
      ["try-3"],
      ["k8s-pod-network.try-3"],
    ]);
  });

  it("leaves a VM its addresses, and forgets no connection that goes on", async () => {
    const launcher = "virt-launcher-vm1-a";
    const { run, components, sandboxes } = createFakeNode(pod(launcher, { vm: { ...vm, role: "active" } }));
    const first = await run("ADD", sandbox(1, launcher));
    const second = await run("ADD", sandbox(2, launcher));
    expect(second.body.ips).toEqual(first.body.ips);
    expect(sandboxes()).toEqual(["try-2"]);
    expect(components.wiring.forgotten.flatMap(({ addresses }) => addresses)).toEqual([]);
    // Who decides about the VM's addresses is told whose sandbox it was, and of which VM.
    expect(components.addresses.released).toMatchObject([{ containerId: "try-1", vm: { name: "vm1" } }]);
  });

  it("lets nobody inherit the connections of what is given back", async () => {
    const { run, components } = createFakeNode(pod("web"));
    await run("ADD", sandbox(1));
    await run("ADD", sandbox(2));
    expect(components.wiring.forgotten).toEqual([{ addresses: ["10.244.0.1", "fd00:10:244::1"] }]);
  });
});

it("a sandbox whose ADD died before it was wired has not replaced the one that runs", async () => {
  const { run, components, endpoints, statusFiles } = createFakeNode(pod("web"));
  await run("ADD", sandbox(1));
  const { linkIndex: _, ...running } = components.attachments.list()[0]!;
  const died = { ...running, containerId: "try-2", netns: "/run/netns/try-2", addresses: [], generation: 2 };
  components.attachments.put({ ...died, step: "claimed" });
  await run("DEL", sandbox(2));
  expect((await run("CHECK", sandbox(1))).exitCode).toBe(0);
  components.attachments.put({ ...died, step: "claimed" });
  await run("DEL", sandbox(1));
  expect([endpoints(), statusFiles(), components.wiring.links.size, components.addresses.held.size]).toEqual([
    [],
    [],
    0,
    0,
  ]);
});

describe("an ADD that fails", () => {
  it("after its interface was made takes back its own, whatever earlier sandboxes had", async () => {
    const { run, components, sandboxes } = createFakeNode(pod("web"));
    await run("ADD", sandbox(1));
    components.annotator.attached = async () => {
      throw new CniError("IdentityRefused", "deleted meanwhile", "nothing to do");
    };
    expect((await run("ADD", sandbox(2))).exitCode).toBe(1);
    expect([sandboxes(), components.addresses.held.size, components.wiring.links.size]).toEqual([[], 0, 0]);
  });

  it("before it touched anything leaves what an earlier ADD of the same container made", async () => {
    const { run, components, endpoints } = createFakeNode(pod("web"));
    await run("ADD", sandbox(1));
    components.addresses.assign = async () => {
      throw Object.assign(new Error("API server is not there"), { code: "Unavailable" });
    };
    expect((await run("ADD", sandbox(1))).body.code).toBe(11);
    expect([endpoints(), components.wiring.links.size, components.addresses.held.size]).toEqual([
      ["try-1"],
      1,
      1,
    ]);
    expect((await run("CHECK", sandbox(1))).exitCode).toBe(0);
  });
});

describe("a DEL", () => {
  it("that names a namespace which another pod has by now leaves that pod alone", async () => {
    const { run, components, endpoints } = createFakeNode(pod("web"), pod("other"));
    await run("ADD", sandbox(1));
    components.wiring.end("/run/netns/try-1");
    await run("ADD", sandbox(2, "other"));
    await run("DEL", { ...sandbox(1), netns: "/run/netns/try-2" });
    expect([...components.wiring.links.values()].map(({ netns }) => netns)).toEqual(["/run/netns/try-2"]);
    expect(endpoints()).toEqual(["try-2"]);
    // The same, of a container of which nothing is known any more.
    await run("DEL", { ...sandbox(1), netns: "/run/netns/try-2" });
    expect((await run("CHECK", sandbox(2, "other"))).exitCode).toBe(0);
  });

  it("of a sandbox from before a reboot leaves the interface that has its name and index now", async () => {
    const { run, components } = createFakeNode(pod("web"));
    await run("ADD", sandbox(1));
    const before = components.attachments.list()[0]!;
    await run("ADD", sandbox(2));
    const { linkIndex } = components.attachments.list()[0]!;
    components.attachments.put({ ...before, ...(linkIndex && { linkIndex }) });
    await run("DEL", sandbox(1));
    expect([...components.wiring.links.values()].map(({ netns }) => netns)).toEqual(["/run/netns/try-2"]);
  });

  it("removes the interface of an ADD that died before it could write the index", async () => {
    const { run, components } = createFakeNode(pod("web"));
    await run("ADD", sandbox(1));
    const { linkIndex: _, ...cut } = components.attachments.list()[0]!;
    components.attachments.put({ ...cut, step: "addressed" });
    await run("DEL", { ...sandbox(1), netns: "" });
    expect(components.wiring.links.size).toBe(0);
  });

  it("removes the interface of a container whose record was lost", async () => {
    const { run, components } = createFakeNode(pod("web"));
    await run("ADD", sandbox(1));
    components.attachments.delete({ containerId: "try-1", ifName: "eth0" });
    await run("DEL", sandbox(1));
    expect([components.wiring.links.size, components.addresses.held.size]).toEqual([0, 0]);
  });
});

it("an address that was collected from a pod without DEL is its next holder's alone, whoever leaves first", async () => {
  const podAnnotations = { "cni.projectcalico.org/ipAddrs": '["10.244.0.1", "fd00:10:244::1"]' };
  const { run, components } = createFakeNode(pod("web"), pod("next", { podAnnotations }));
  const { wiring, attachments, addresses } = components;
  await run("ADD", sandbox(1));
  const [stale] = attachments.list();
  wiring.end("/run/netns/try-1");
  const { network, containerId, pod: of } = stale!;
  await addresses.release({ network, containerId, pod: of, node: "node-1" });
  await run("ADD", sandbox(2, "next"));
  expect(attachments.list().map((one) => [one.containerId, one.addresses])).toEqual([
    ["try-1", []],
    ["try-2", stale!.addresses],
  ]);
  await run("DEL", sandbox(1));
  expect(wiring.forgotten.flatMap((absence) => absence.addresses)).toEqual([]);
  attachments.put({ ...stale!, addresses: [] });
  await run("DEL", sandbox(2, "next"));
  expect(wiring.forgotten.at(-1)).toEqual({ addresses: stale!.addresses });
});

it("GC leaves a container that was added anew while it waited for its turn", async () => {
  const { run, components, sandboxes } = createFakeNode(pod("web"), pod("other"));
  await run("ADD", sandbox(1));
  const again = run("ADD", sandbox(1));
  const collected = run("GC", sandbox(1), { cniVersion: "1.1.0" });
  expect([(await again).exitCode, (await collected).exitCode]).toEqual([0, 0]);
  expect([sandboxes(), components.wiring.links.size]).toEqual([["try-1"], 1]);
});

it("a DEL empties the addresses in the pod's annotations, with or without a record, and an older sandbox's does not", async () => {
  const { run, components } = createFakeNode(pod("web"));
  const emptied: string[] = [];
  components.annotator.detached = async ({ containerId }) => void emptied.push(containerId);
  const [first, second] = [
    { pod: "web", id: "first" },
    { pod: "web", id: "second" },
  ];
  await run("ADD", second);
  await run("DEL", second);
  expect(emptied).toEqual(["second"]);
  // The record was lost; whose the addresses are stands in the pod, and the annotator looks there.
  await run("DEL", first);
  expect(emptied).toEqual(["second", "first"]);
});
