import { describe, expect, it } from "vitest";
import { pod } from "./calls.fixture.ts";
import type { Workload } from "./components.ts";
import { createFakeNode } from "./fake-node.fixture.ts";
import { hostInterfaceName, hostInterfaceNames } from "./interface-name.ts";

/** Two pods of one tenant whose usual interface names are equal: 44 bits are no identity. */
const victim = { namespace: "tenant", pod: "p554413", id: "victim" };
const attacker = { namespace: "tenant", pod: "p3312609", id: "attacker" };
const inTenant = ({ pod: name }: { pod: string }): [string, Workload] => {
  const [, workload] = pod(name);
  return [`tenant/${name}`, { ...workload, pod: { ...workload.pod, namespace: "tenant" } }];
};

const nameOf = ({ body }: { body: { interfaces: { name: string }[] } }) => body.interfaces[0]!.name;

describe("two pods whose usual interface names are equal", () => {
  const setUp = () => createFakeNode(inTenant(victim), inTenant(attacker));

  it("are known, to begin with", () => {
    const names = [victim, attacker].map(({ namespace, pod: name }) =>
      hostInterfaceNames({ namespace, name }),
    );
    expect(names[0]![0]).toBe(names[1]![0]);
    expect(new Set(names.flat()).size).toBe(15);
  });

  it("have an interface and an endpoint each, under names of their own", async () => {
    const { run, components, endpoints } = setUp();
    const first = await run("ADD", victim);
    const second = await run("ADD", attacker);
    expect([first.exitCode, second.exitCode]).toEqual([0, 0]);
    expect(nameOf(second)).not.toBe(nameOf(first));
    expect(endpoints()).toEqual(["victim", "attacker"]);
    expect([...components.wiring.links.values()].map(({ netns }) => netns)).toEqual([
      "/run/netns/victim",
      "/run/netns/attacker",
    ]);
    expect((await run("CHECK", victim)).exitCode).toBe(0);
    expect((await run("CHECK", attacker)).exitCode).toBe(0);
  });

  it("have one each when both are added at the same moment", async () => {
    const { run, components, endpoints } = setUp();
    const answers = await Promise.all([run("ADD", victim), run("ADD", attacker)]);
    expect(answers.map(({ exitCode }) => exitCode)).toEqual([0, 0]);
    expect(new Set(answers.map(nameOf)).size).toBe(2);
    expect(components.wiring.links.size).toBe(2);
    expect(endpoints()).toHaveLength(2);
  });

  it.each([
    ["the first", victim, attacker],
    ["the second", attacker, victim],
  ])("leave nothing of the other's when %s is deleted", async (_, going, staying) => {
    const { run, endpoints, sandboxes, statusFiles, components } = setUp();
    await run("ADD", victim);
    await run("ADD", attacker);
    await run("DEL", going);
    await run("DEL", going);
    expect([endpoints(), sandboxes()]).toEqual([[staying.id], [staying.id]]);
    expect([...components.wiring.links.values()].map(({ netns }) => netns)).toEqual([
      `/run/netns/${staying.id}`,
    ]);
    expect(statusFiles()).toEqual([`k8s tenant%2F${staying.pod} eth0`]);
    expect((await run("CHECK", staying)).exitCode).toBe(0);
  });

  it("keep their names through new sandboxes", async () => {
    const { run, components } = setUp();
    await run("ADD", victim);
    const before = nameOf(await run("ADD", attacker));
    await run("DEL", victim);
    expect(nameOf(await run("ADD", { ...attacker, id: "attacker-2" }))).toBe(before);
    expect(components.wiring.links.size).toBe(1);
  });
});

describe("the name of a pod's interface", () => {
  const web = { pod: "web", id: "c1" };
  const usual = hostInterfaceName({ namespace: "default", name: "web" });
  const stranger = {
    netns: "/run/netns/stranger",
    containerInterface: "eth0",
    addresses: [],
    queues: 1,
    allowIpForwarding: false,
  };

  it("is another one when a link that nobody recorded has it; that link stays", async () => {
    const { run, components } = createFakeNode(pod("web"));
    const { linkIndex } = await components.wiring.attach({ ...stranger, hostInterface: usual });
    const name = nameOf(await run("ADD", web));
    expect(name).toBe(hostInterfaceNames({ namespace: "default", name: "web" })[1]);
    await run("DEL", web);
    expect([...components.wiring.links.values()].map((link) => link.linkIndex)).toEqual([linkIndex]);
  });

  it("is the usual one when what has it leads into the container: an earlier try whose record was lost", async () => {
    const { run, components } = createFakeNode(pod("web"));
    await components.wiring.attach({ ...stranger, hostInterface: usual, netns: "/run/netns/c1" });
    expect(nameOf(await run("ADD", web))).toBe(usual);
    expect(components.wiring.links.size).toBe(1);
  });

  it("is refused with all that were tried when every one is taken, and nothing is held then", async () => {
    const { run, components, sandboxes } = createFakeNode(pod("web"));
    const names = hostInterfaceNames({ namespace: "default", name: "web" });
    for (const [n, hostInterface] of names.entries())
      await components.wiring.attach({ ...stranger, hostInterface, netns: `/run/netns/stranger-${n}` });
    const { exitCode, body } = await run("ADD", web);
    expect([exitCode, body.code]).toEqual([1, 103]);
    expect(body.msg).toContain(`all 8 interface names of pod default/web are taken: ${names.join(", ")}`);
    expect([sandboxes(), components.addresses.held.size]).toEqual([[], 0]);
    await run("DEL", web);
    expect(components.wiring.links.size).toBe(8);
  });
});

it("CHECK finds the interface of a rebuilt attachment by the path that the runtime names", async () => {
  const { run, components } = createFakeNode(pod("web"));
  await run("ADD", { pod: "web", id: "c1" });
  const [noted] = components.attachments.list();
  components.attachments.put({ ...noted!, netns: "" });
  expect((await run("CHECK", { pod: "web", id: "c1" })).exitCode).toBe(0);
});

it("CHECK tells a stranger's interface of the same name from the pod's own", async () => {
  const { run, components } = createFakeNode(pod("web"));
  await run("ADD", { pod: "web", id: "c1" });
  const [own] = components.wiring.links.values();
  components.wiring.end("/run/netns/c1");
  await components.wiring.attach({ ...own!, netns: "/run/netns/stranger" });
  const { body } = await run("CHECK", { pod: "web", id: "c1" });
  expect(body.msg).toContain(`host interface ${own!.hostInterface} is not the one that ADD made`);
});

it("a container's second interface is refused: it would take the first one's link and addresses", async () => {
  const { run, components, endpoints } = createFakeNode(pod("web"));
  const eth0 = { pod: "web", id: "c1" };
  const net1 = { ...eth0, ifName: "net1" };
  await run("ADD", eth0);
  const { body } = await run("ADD", net1);
  expect([body.code, body.msg]).toEqual([2, expect.stringContaining("has interface eth0 of this plug-in")]);
  expect((await run("DEL", net1)).exitCode).toBe(0);
  expect([endpoints(), components.wiring.links.size, components.addresses.held.size]).toEqual([["c1"], 1, 1]);
});
