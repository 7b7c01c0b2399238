import { describe, expect, it } from "vitest";
import { pod, vm } from "./calls.fixture.ts";
import type { Workload } from "./components.ts";
import { createFakeNode } from "./fake-node.fixture.ts";

const launcher = { pod: "virt-launcher-vm1-a", id: "launcher" };
const target = { pod: "virt-launcher-vm1-b", id: "target" };
const machines = (): [string, Workload][] => [
  pod(launcher.pod, { vm: { ...vm, role: "active" } }),
  pod(target.pod, { vm: { ...vm, role: "target", migrationUid: "m1" } }),
];
const vmHandle = "k8s-pod-network.vmi.default.vm1";

describe("a DEL", () => {
  it("of a pod whose names spell a VM's handle, and whose ADD was refused, frees nothing of the VM", async () => {
    const namespace = "k8s-pod-network";
    const name = "vmi.default.vm1";
    const [, forged] = pod(name, { podAnnotations: { "cni.projectcalico.org/hwAddr": "no MAC" } });
    const node = createFakeNode(...machines(), [`${namespace}/${name}`, forged]);
    await node.run("ADD", launcher);
    const refused = await node.run("ADD", { namespace, pod: name, id: "forged" });
    expect(refused.body.code).toBe(100);
    await node.run("DEL", { namespace, pod: name, id: "forged" });
    expect([...node.components.addresses.held]).toEqual([[vmHandle, 2]]);
  });

  it.each([
    ["container", { id: "vmi.default.vm1" }, {}, 4],
    [
      "container, with half of it in the network's name",
      { id: "default.vm1" },
      { name: "k8s-pod-network.vmi" },
      7,
    ],
    ["network", { id: "vm1" }, { name: "k8s-pod-network.vmi.default" }, 7],
    ["network, in capitals", { id: "vm1" }, { name: "k8s-pod-network.VMI.default" }, 7],
  ])("of a %s whose name spells a VM's handle is refused", async (_, { id }, config, code) => {
    const node = createFakeNode(...machines(), pod("web"));
    await node.run("ADD", launcher);
    for (const command of ["ADD", "DEL"])
      expect((await node.run(command, { pod: "web", id }, config)).body.code).toBe(code);
    expect([...node.components.addresses.held]).toEqual([[vmHandle, 2]]);
  });

  it("of a sandbox that was replaced leaves the VM with the running one: it can migrate", async () => {
    const node = createFakeNode(...machines());
    await node.run("ADD", launcher);
    await node.run("ADD", { ...launcher, id: "again" });
    await node.run("DEL", launcher);
    await node.run("DEL", { ...launcher, netns: "" });
    const { exitCode } = await node.run("ADD", target);
    expect(exitCode).toBe(0);
    expect(node.components.attachments.list().map(({ role }) => role)).toEqual(["workload", "target"]);
  });

  it("of a sandbox that was replaced frees nothing while the VM is deleted and the running one is there", async () => {
    const node = createFakeNode(...machines());
    const { identity } = node.components;
    identity.departing = async () => ({ vm: { ...vm, deleting: true } });
    await node.run("ADD", launcher);
    await node.run("ADD", { ...launcher, id: "again" });
    await node.run("DEL", launcher);
    expect([...node.components.addresses.held]).toEqual([[vmHandle, 2]]);
    await node.run("DEL", { ...launcher, id: "again" });
    expect(node.components.addresses.held.size).toBe(0);
  });

  it("names the pod by a namespace without dots: with them it could be two pods'", async () => {
    const node = createFakeNode(pod("web"));
    const { body } = await node.run("DEL", { namespace: "a.b", pod: "c", id: "c1" });
    expect([body.code, body.msg]).toEqual([4, expect.stringContaining('"a.b"')]);
  });
});
