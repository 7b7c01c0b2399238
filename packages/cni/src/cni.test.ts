import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { call, conf, pod, vm } from "./calls.fixture.ts";
import { createCni } from "./cni.ts";
import { CniError } from "./error.ts";
import { createFakeComponents } from "./fake.ts";
import { hostInterfaceName } from "./interface-name.ts";

let statusDir: string;
beforeEach(() => {
  statusDir = mkdtempSync(join(tmpdir(), "fairlead-status-"));
});
afterEach(() => rmSync(statusDir, { recursive: true }));

function setUp() {
  const workloads = new Map([
    pod("web"),
    pod("virt-launcher-vm1-a", { vm: { ...vm, role: "active" } }),
    pod("virt-launcher-vm1-b", { vm: { ...vm, role: "target", migrationUid: "m1" } }),
  ]);
  const components = createFakeComponents(workloads);
  const cni = createCni(components);
  const run = async (command: string, overrides: { env?: Record<string, string>; config?: object } = {}) => {
    const config = { endpoint_status_dir: statusDir, ...overrides.config };
    const answer = await cni.handle(call(command, { ...overrides, config }));
    return { exitCode: answer.exitCode, body: answer.stdout === "" ? undefined : JSON.parse(answer.stdout) };
  };
  return { components, workloads, run };
}

const args = (name: string) => `K8S_POD_NAMESPACE=default;K8S_POD_NAME=${name}`;
const launcher = (which: "a" | "b") => ({
  CNI_ARGS: args(`virt-launcher-vm1-${which}`),
  CNI_CONTAINERID: `launcher-${which}`,
  CNI_NETNS: `/run/netns/${which}`,
});

describe("ADD", () => {
  it("wires the pod and answers in the runtime's version", async () => {
    const { run } = setUp();
    const { exitCode, body } = await run("ADD");
    expect(exitCode).toBe(0);
    expect(body).toMatchInlineSnapshot(`
      {
        "cniVersion": "1.0.0",
        "dns": {},
        "interfaces": [
          {
            "mac": "ee:ee:ee:ee:ee:ee",
            "name": "cali68caf03a5f4",
          },
          {
            "mac": "02:00:00:00:00:01",
            "name": "eth0",
            "sandbox": "/run/netns/c1",
          },
        ],
        "ips": [
          {
            "address": "10.244.0.1/32",
            "gateway": "169.254.1.1",
            "interface": 1,
          },
          {
            "address": "fd00:10:244::1/128",
            "gateway": "fe80::ecee:eeff:feee:eeee",
            "interface": 1,
          },
        ],
        "routes": [
          {
            "dst": "0.0.0.0/0",
            "gw": "169.254.1.1",
          },
          {
            "dst": "::/0",
            "gw": "fe80::ecee:eeff:feee:eeee",
          },
        ],
      }
    `);
  });

  it("gives source and target pod of a VM the same addresses and the same MAC, and calls one of them target", async () => {
    const { run, components } = setUp();
    const source = await run("ADD", { env: launcher("a") });
    const target = await run("ADD", { env: launcher("b") });
    expect(target.body.ips).toEqual(source.body.ips);
    expect(target.body.interfaces[1].mac).toBe(source.body.interfaces[1].mac);
    expect(target.body.interfaces[0].name).not.toBe(source.body.interfaces[0].name);
    expect([...components.endpoints.present.values()].map(({ role }) => role)).toEqual([
      "workload",
      "target",
    ]);
  });

  it("forgets what the node saw of a VM's connections before its guest arrives, and nothing for others", async () => {
    const { run, components } = setUp();
    await run("ADD");
    await run("ADD", { env: launcher("a") });
    expect(components.wiring.forgotten).toEqual([]);
    await run("ADD", { env: launcher("b") });
    expect(components.wiring.forgotten).toMatchObject([{ peers: expect.arrayContaining(["10.244.0.1"]) }]);
  });

  it("writes the status file with the container's ID once policy is in force", async () => {
    const { run } = setUp();
    await run("ADD");
    expect(readdirSync(statusDir)).toEqual(["k8s default%2Fweb eth0"]);
    expect(JSON.parse(readFileSync(join(statusDir, "k8s default%2Fweb eth0"), "utf8"))).toEqual({
      ifaceName: hostInterfaceName({ namespace: "default", name: "web" }),
      mac: "02:00:00:00:00:01",
      ipv4Nets: ["10.244.0.1/32"],
      ipv6Nets: ["fd00:10:244::1/128"],
      containerID: "c1",
    });
  });

  it("refuses a migration target whose policy is late, and leaves nothing of it", async () => {
    const { run, components } = setUp();
    await run("ADD", { env: launcher("a") });
    components.endpoints.late.add("virt-launcher-vm1-b");
    const { exitCode, body } = await run("ADD", {
      env: launcher("b"),
      config: { policy_setup_timeout_seconds: 1 },
    });
    expect([exitCode, body.code]).toEqual([1, 11]);
    expect(components.wiring.links.size).toBe(1);
    expect(components.attachments.list().map(({ containerId }) => containerId)).toEqual(["launcher-a"]);
    expect(components.endpoints.present.size).toBe(1);
  });

  it("adds an ordinary pod whose policy is late, without a status file", async () => {
    const { run, components } = setUp();
    components.endpoints.late.add("web");
    const { exitCode } = await run("ADD", { config: { policy_setup_timeout_seconds: 1 } });
    expect(exitCode).toBe(0);
    expect(readdirSync(statusDir)).toEqual([]);
  });

  it("takes everything back when wiring fails", async () => {
    const { run, components } = setUp();
    components.wiring.failNext = new CniError("WiringFailed", "no veth", "load the module");
    const { exitCode, body } = await run("ADD");
    expect([exitCode, body.code, body.msg]).toEqual([1, 103, "WiringFailed (103): no veth"]);
    expect(components.attachments.list()).toEqual([]);
    expect(components.addresses.held.size).toBe(0);
  });

  it("may be called again for the same container", async () => {
    const { run, components } = setUp();
    const first = await run("ADD");
    const second = await run("ADD");
    expect(second.body.ips).toEqual(first.body.ips);
    expect(components.attachments.list()).toHaveLength(1);
    expect(components.wiring.links.size).toBe(1);
  });

  it("answers an address manager that is out of reach with try again later", async () => {
    const { run, components } = setUp();
    components.addresses.assign = async () => {
      throw Object.assign(new Error("API server is not there"), { code: "Unavailable" });
    };
    const { body } = await run("ADD");
    expect(body.code).toBe(11);
  });
});

describe("DEL", () => {
  it("leaves nothing", async () => {
    const { run, components } = setUp();
    await run("ADD");
    expect((await run("DEL")).exitCode).toBe(0);
    expect(components.wiring.forgotten).toEqual([{ addresses: ["10.244.0.1", "fd00:10:244::1"] }]);
    expect(components.attachments.list()).toEqual([]);
    expect(components.wiring.links.size).toBe(0);
    expect(components.endpoints.present.size).toBe(0);
    expect(components.addresses.held.size).toBe(0);
    expect(readdirSync(statusDir)).toEqual([]);
  });

  it("succeeds for a container nobody knows, without a namespace", async () => {
    const { run } = setUp();
    expect(await run("DEL", { env: { CNI_NETNS: "" } })).toEqual({ exitCode: 0, body: undefined });
  });

  it("of an old container does not touch the pod's new one", async () => {
    const { run, components } = setUp();
    await run("ADD");
    await run("ADD", { env: { CNI_CONTAINERID: "c2", CNI_NETNS: "/run/netns/c2" } });
    await run("DEL");
    expect(components.wiring.links.size).toBe(1);
    expect([...components.endpoints.present.values()].map(({ containerId }) => containerId)).toEqual(["c2"]);
    expect(readdirSync(statusDir)).toHaveLength(1);
    expect(components.attachments.list().map(({ containerId }) => containerId)).toEqual(["c2"]);
  });

  it("of a VM's pod keeps some of its connections for the VM, and for nobody else", async () => {
    const { run, components } = setUp();
    const { wiring, attachments } = components;
    await run("ADD", { env: launcher("a") });
    await run("DEL", { env: launcher("a") });
    expect(wiring.forgotten).toMatchObject([{ peers: [] }]);
    const addresses = ["10.244.0.1", "fd00:10:244::1"];
    const owners = () => addresses.map((address) => attachments.inheritance.ownerOf(address));
    expect(owners()).toEqual([vm.vmUid, vm.vmUid]);
    await run("ADD", { env: launcher("a") });
    expect([wiring.forgotten.length, owners()]).toEqual([1, [undefined, undefined]]);
  });

  it.each([
    ["a pod", {}],
    ["another VM's target", launcher("b")],
  ])(
    "of a VM's pod: %s that gets its address next inherits no connection",
    async (_, env: Record<string, string>) => {
      const { run, components, workloads } = setUp();
      const { wiring, attachments } = components;
      // The other VM, if it is one, has its address from a pod that is on another node.
      if (env.CNI_ARGS) {
        const [, source] = pod("virt-launcher-vm1-a", { vm: { ...vm, role: "active" } });
        const call = {
          ...source,
          network: conf.name,
          containerId: "far",
          node: "node-1",
          families: [4, 6],
        } as const;
        await components.addresses.assign(call);
        workloads.delete("default/virt-launcher-vm1-a");
      }
      const addresses = ["10.244.0.1", "fd00:10:244::1"];
      for (const address of addresses) attachments.inheritance.leave(address, "deleted");
      await run("ADD", { env });
      expect(wiring.forgotten[0]).toEqual({ addresses });
      expect(attachments.inheritance.ownerOf("10.244.0.1")).toBeUndefined();
    },
  );

  it("of a VM's pod that the API server has forgotten still names the VM to the address manager", async () => {
    const { run, components, workloads } = setUp();
    await run("ADD", { env: launcher("a") });
    workloads.delete("default/virt-launcher-vm1-a");
    await run("DEL", { env: launcher("a") });
    expect(components.addresses.released.at(-1)?.vm).toMatchObject({ name: "vm1", vmiUid: "vmi-uid" });
  });
});

describe("CHECK", () => {
  it("passes after ADD and names what is wrong later", async () => {
    const { run, components } = setUp();
    const { body: prevResult } = await run("ADD");
    expect((await run("CHECK", { config: { prevResult } })).exitCode).toBe(0);
    components.wiring.end("/run/netns/c1");
    components.endpoints.late.add("web");
    const { body } = await run("CHECK", { config: { prevResult: { ips: [] } } });
    expect(body.code).toBe(104);
    expect(body.msg).toMatch(
      /host interface .* missing.*policy is not in force.*lacks 10.244.0.1.*lacks fd00/,
    );
  });

  it("does not know a container that was never added", async () => {
    const { run } = setUp();
    expect((await run("CHECK")).body.code).toBe(3);
  });
});

describe("GC and STATUS", () => {
  it("removes what is not valid any more, and nothing else", async () => {
    const { run, components } = setUp();
    await run("ADD");
    await run("ADD", { env: launcher("a") });
    const config = {
      cniVersion: "1.1.0",
      "cni.dev/valid-attachments": [{ containerID: "launcher-a", ifname: "eth0" }],
    };
    expect((await run("GC", { config })).exitCode).toBe(0);
    expect(components.attachments.list().map(({ containerId }) => containerId)).toEqual(["launcher-a"]);
  });

  it("goes on after a failure and reports it", async () => {
    const { run, components } = setUp();
    await run("ADD");
    await run("ADD", { env: launcher("a") });
    const release = components.addresses.release;
    components.addresses.release = async (request) => {
      if (request.containerId === "c1") throw new Error("no");
      return release(request);
    };
    const { body } = await run("GC", { config: { cniVersion: "1.1.0" } });
    expect(body.msg).toBe("TryAgainLater (11): 1 of 2 stale attachments remain: c1: no");
    expect(components.attachments.list()).toHaveLength(1);
  });

  it("leaves the attachments of other networks alone", async () => {
    const { run, components } = setUp();
    await run("ADD");
    await run("GC", { config: { cniVersion: "1.1.0", name: "other" } });
    expect(components.attachments.list()).toHaveLength(1);
  });

  it("says why the node is not ready", async () => {
    const { run, components } = setUp();
    expect((await run("STATUS", { config: { cniVersion: "1.1.0" } })).exitCode).toBe(0);
    Object.assign(components, {
      readiness: () => ({ ready: false, code: "NotAvailableLimited", reason: "no free address" }),
    });
    const { body } = await run("STATUS", { config: { cniVersion: "1.1.0" } });
    expect([body.code, body.msg]).toEqual([51, "NotAvailableLimited (51): no free address"]);
  });

  it("refuses GC for a configuration older than GC", async () => {
    const { run } = setUp();
    expect((await run("GC")).body.code).toBe(1);
  });
});

it("hands out addresses alone when called as calico-ipam, with routes unless the pod is a migration target", async () => {
  const { run, components } = setUp();
  const source = await run("ADD", { env: { ...launcher("a"), CNI_PLUGIN: "calico-ipam" } });
  const target = await run("ADD", { env: { ...launcher("b"), CNI_PLUGIN: "calico-ipam" } });
  expect(source.body.routes).toEqual([{ dst: "10.244.0.1/32" }, { dst: "fd00:10:244::1/128" }]);
  expect(target.body.routes).toEqual([]);
  expect(target.body.ips).toEqual(source.body.ips);
  expect(components.wiring.links.size).toBe(0);
  expect((await run("DEL", { env: { ...launcher("b"), CNI_PLUGIN: "calico-ipam" } })).exitCode).toBe(0);
});
