import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { ResultsCache } from "./cache.ts";
import { parseNetworkList } from "./conflist.ts";
import { CniRuntimeError } from "./error.ts";
import { type AttachmentRequest, CniNetwork } from "./network.ts";
import { RecordingPlugins } from "./recording-plugin.ts";

let root: string;
let plugins: RecordingPlugins;
let network: CniNetwork;

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), "fairlead-cni-"));
  plugins = new RecordingPlugins(join(root, "bin"));
  const runner = { pluginDirectories: [join(root, "empty"), plugins.directory], timeout: 10_000 };
  network = new CniNetwork(runner, new ResultsCache(join(root, "results")));
});
afterEach(() => rmSync(root, { recursive: true }));

const result = {
  cniVersion: "1.0.0",
  interfaces: [{ name: "eth0", sandbox: "/run/netns/x" }],
  ips: [{ address: "10.244.0.5/32" }, { address: "fd00::5/128" }],
};
const tuned = { ...result, dns: { nameservers: ["10.96.0.10"] } };

const request: AttachmentRequest = {
  containerId: "0123abcd",
  netns: "/run/netns/x",
  ifName: "eth0",
  args: [
    ["IgnoreUnknown", "1"],
    ["K8S_POD_NAMESPACE", "default"],
    ["K8S_POD_NAME", "p"],
    ["K8S_POD_INFRA_CONTAINER_ID", "0123abcd"],
    ["K8S_POD_UID", "u-1"],
  ],
};

function list(overrides: object = {}) {
  const text = JSON.stringify({
    name: "k8s-pod-network",
    cniVersion: "1.0.0",
    plugins: [
      { type: "calico", mtu: 1450, ipam: { type: "calico-ipam" } },
      { type: "portmap", capabilities: { portMappings: true, bandwidth: false } },
    ],
    ...overrides,
  });
  return parseNetworkList(text, "test");
}

async function errorOf(work: Promise<unknown>): Promise<CniRuntimeError> {
  const error = await work.then(
    () => undefined,
    (e: unknown) => e,
  );
  expect(error).toBeInstanceOf(CniRuntimeError);
  return error as CniRuntimeError;
}

describe("ADD", () => {
  it("gives each plug-in its own configuration, the network's name and version, and the result of the one before", async () => {
    plugins.install("calico", { ADD: { stdout: result } });
    plugins.install("portmap", { ADD: { stdout: tuned } });
    const capabilityArgs = {
      portMappings: [{ hostPort: 80, containerPort: 8080, protocol: "tcp" }],
      bandwidth: {},
    };
    expect(await network.add(list(), { ...request, capabilityArgs })).toEqual(tuned);
    const env = {
      CNI_COMMAND: "ADD",
      CNI_CONTAINERID: "0123abcd",
      CNI_NETNS: "/run/netns/x",
      CNI_IFNAME: "eth0",
      CNI_ARGS:
        "IgnoreUnknown=1;K8S_POD_NAMESPACE=default;K8S_POD_NAME=p;K8S_POD_INFRA_CONTAINER_ID=0123abcd;K8S_POD_UID=u-1",
      CNI_PATH: `${join(root, "empty")}:${plugins.directory}`,
    };
    expect(plugins.takeCalls()).toEqual([
      {
        plugin: "calico",
        env,
        config: {
          type: "calico",
          mtu: 1450,
          ipam: { type: "calico-ipam" },
          name: "k8s-pod-network",
          cniVersion: "1.0.0",
        },
      },
      {
        plugin: "portmap",
        env,
        config: {
          type: "portmap",
          capabilities: { portMappings: true, bandwidth: false },
          name: "k8s-pod-network",
          cniVersion: "1.0.0",
          runtimeConfig: { portMappings: capabilityArgs.portMappings },
          prevResult: result,
        },
      },
    ]);
  });

  it("keeps the final result in libcni's cache format", async () => {
    plugins.install("calico", { ADD: { stdout: result } });
    plugins.install("portmap", { ADD: { stdout: tuned } });
    await network.add(list(), request);
    expect(readdirSync(join(root, "results"))).toEqual(["k8s-pod-network-0123abcd-eth0"]);
    const cached = JSON.parse(readFileSync(join(root, "results", "k8s-pod-network-0123abcd-eth0"), "utf8"));
    expect(cached).toMatchObject({
      kind: "cniCacheV1",
      containerId: "0123abcd",
      ifName: "eth0",
      networkName: "k8s-pod-network",
      netns: "/run/netns/x",
      cniArgs: request.args,
      result: tuned,
    });
    expect(Buffer.from(cached.config, "base64").toString()).toBe(list().text);
  });

  it("stops at the first plug-in that fails, reports its code and words, and keeps nothing", async () => {
    plugins.install("calico", {
      ADD: { stdout: { cniVersion: "1.0.0", code: 11, msg: "try again", details: "soon" }, status: 1 },
    });
    plugins.install("portmap");
    const error = await errorOf(network.add(list(), request));
    expect(error).toMatchObject({
      code: "Plugin",
      number: 11,
      message: "plug-in calico failed: try again; soon",
    });
    expect(plugins.takeCalls().map((call) => call.plugin)).toEqual(["calico"]);
    await network.del(list(), request);
    expect(plugins.takeCalls()[0]?.config).not.toHaveProperty("prevResult");
  });

  it("quotes standard error when a plug-in dies without an error object", async () => {
    plugins.install("calico", { ADD: { stderr: "segmentation fault", status: 139 } });
    const { message } = await errorOf(network.add(list(), request));
    expect(message).toBe("plug-in calico failed (status 139) without an error message: segmentation fault");
  });

  it("refuses a success without a result and output that is no object", async () => {
    plugins.install("calico", { ADD: { stdout: "" } });
    expect((await errorOf(network.add(list(), request))).message).toMatch(/printed no result/);
    plugins.install("calico", { ADD: { stdout: "[1]" } });
    expect((await errorOf(network.add(list(), request))).message).toMatch(/printed no JSON object/);
  });

  it("says which plug-in is not installed and where it looked", async () => {
    const error = await errorOf(network.add(list(), request));
    expect(error).toMatchObject({ code: "NotFound" });
    expect(error.message).toContain(plugins.directory);
  });

  it("ends a plug-in that hangs", async () => {
    plugins.install("calico", { ADD: { hangs: true } });
    const runner = { pluginDirectories: [plugins.directory], timeout: 200 };
    const impatient = new CniNetwork(runner, new ResultsCache(join(root, "results")));
    expect((await errorOf(impatient.add(list(), request))).message).toMatch(/SIGKILL \(limit 200 ms\)/);
  });

  it("translates a result to the list's version before it hands it on", async () => {
    plugins.install("calico", { ADD: { stdout: result } });
    plugins.install("portmap", { ADD: { stdout: tuned } });
    await network.add(list({ cniVersion: "0.4.0" }), request);
    expect(plugins.takeCalls()[1]?.config).toMatchObject({
      cniVersion: "0.4.0",
      prevResult: {
        cniVersion: "0.4.0",
        ips: [
          { version: "4", address: "10.244.0.5/32" },
          { version: "6", address: "fd00::5/128" },
        ],
      },
    });
  });

  it.each([
    { containerId: "../x" },
    { containerId: "" },
    { ifName: "an-interface-name-too-long" },
    { ifName: "a/b" },
    { ifName: ".." },
  ])("refuses %j before it runs anything", async (wrong) => {
    plugins.install("calico", { ADD: { stdout: result } });
    expect((await errorOf(network.add(list(), { ...request, ...wrong }))).code).toBe("Runtime");
    expect(plugins.takeCalls()).toEqual([]);
  });
});

describe("DEL", () => {
  it("goes through the list backwards, each plug-in with the final result of ADD, and forgets it", async () => {
    plugins.install("calico", { ADD: { stdout: result } });
    plugins.install("portmap", { ADD: { stdout: tuned } });
    await network.add(list(), request);
    plugins.takeCalls();
    await network.del(list(), { ...request, netns: undefined });
    const calls = plugins.takeCalls();
    expect(calls.map((call) => [call.plugin, call.env.CNI_COMMAND, call.env.CNI_NETNS])).toEqual([
      ["portmap", "DEL", ""],
      ["calico", "DEL", ""],
    ]);
    for (const call of calls) expect(call.config.prevResult).toEqual(tuned);
    expect(readdirSync(join(root, "results"))).toEqual([]);
  });

  it("gives no earlier result before CNI 0.4.0", async () => {
    plugins.install("calico", { ADD: { stdout: result } });
    plugins.install("portmap", { ADD: { stdout: tuned } });
    await network.add(list({ cniVersion: "0.3.1" }), request);
    plugins.takeCalls();
    await network.del(list({ cniVersion: "0.3.1" }), request);
    for (const call of plugins.takeCalls()) expect(call.config).not.toHaveProperty("prevResult");
  });

  it("succeeds without the plug-in when ADD never did, and insists on it when it did", async () => {
    await network.del(list(), request);
    plugins.install("calico", { ADD: { stdout: result } });
    plugins.install("portmap", { ADD: { stdout: tuned } });
    await network.add(list(), request);
    rmSync(join(plugins.directory, "calico"));
    expect((await errorOf(network.del(list(), request))).code).toBe("NotFound");
  });

  it("keeps the result when a plug-in fails, so that the next try has it", async () => {
    plugins.install("calico", {
      ADD: { stdout: result },
      DEL: { stdout: { code: 5, msg: "no" }, status: 1 },
    });
    plugins.install("portmap", { ADD: { stdout: tuned } });
    await network.add(list(), request);
    await errorOf(network.del(list(), request));
    expect(readdirSync(join(root, "results"))).toHaveLength(1);
  });
});

describe("CHECK", () => {
  it("goes through the list in order with the cached result", async () => {
    plugins.install("calico", { ADD: { stdout: result } });
    plugins.install("portmap", { ADD: { stdout: tuned } });
    await network.add(list(), request);
    plugins.takeCalls();
    await network.check(list(), request);
    const calls = plugins.takeCalls();
    expect(calls.map((call) => [call.plugin, call.env.CNI_COMMAND])).toEqual([
      ["calico", "CHECK"],
      ["portmap", "CHECK"],
    ]);
    for (const call of calls) expect(call.config.prevResult).toEqual(tuned);
  });

  it("does nothing when the list disables it, and does not exist before CNI 0.4.0", async () => {
    await network.check(list({ disableCheck: true }), request);
    expect((await errorOf(network.check(list({ cniVersion: "0.3.1" }), request))).code).toBe("Unsupported");
    expect((await errorOf(network.check(list(), request))).code).toBe("Runtime");
  });
});

describe("GC and STATUS", () => {
  it("deletes what the cache knows and nobody needs, then tells every plug-in what is valid", async () => {
    plugins.install("calico", { ADD: { stdout: result } });
    plugins.install("portmap", { ADD: { stdout: tuned } });
    const newest = list({ cniVersion: "1.1.0" });
    await network.add(newest, request);
    await network.add(newest, { ...request, containerId: "stale" });
    plugins.takeCalls();
    await network.gc(newest, [{ containerId: "0123abcd", ifName: "eth0" }]);
    const calls = plugins.takeCalls();
    expect(calls.map((call) => [call.plugin, call.env.CNI_COMMAND, call.env.CNI_CONTAINERID])).toEqual([
      ["portmap", "DEL", "stale"],
      ["calico", "DEL", "stale"],
      ["calico", "GC", ""],
      ["portmap", "GC", ""],
    ]);
    expect(calls[2]?.config).toMatchObject({
      name: "k8s-pod-network",
      cniVersion: "1.1.0",
      "cni.dev/valid-attachments": [{ containerID: "0123abcd", ifname: "eth0" }],
    });
  });

  it("goes on after an error and reports it at the end", async () => {
    plugins.install("calico", { GC: { stdout: { code: 100, msg: "broken" }, status: 1 } });
    plugins.install("portmap");
    const { message } = await errorOf(network.gc(list({ cniVersion: "1.1.0" }), []));
    expect(message).toMatch(/broken/);
    expect(plugins.takeCalls().map((call) => call.plugin)).toEqual(["calico", "portmap"]);
  });

  it("asks nobody before CNI 1.1", async () => {
    plugins.install("calico");
    await network.gc(list(), []);
    await network.status(list());
    expect(plugins.takeCalls()).toEqual([]);
  });

  it("is not ready while a plug-in says so", async () => {
    plugins.install("calico", { STATUS: { stdout: { code: 50, msg: "agent is down" }, status: 1 } });
    expect(await errorOf(network.status(list({ cniVersion: "1.1.0" })))).toMatchObject({ number: 50 });
  });
});

describe("the list", () => {
  it("speaks the newest version both sides know", () => {
    expect(list({ cniVersion: "1.0.0", cniVersions: ["0.4.0", "1.0.0", "1.1.0", "9.0.0"] }).cniVersion).toBe(
      "1.1.0",
    );
    expect(list({ cniVersion: undefined }).cniVersion).toBe("0.1.0");
    expect(() => list({ cniVersion: "9.0.0" })).toThrow(/cniVersion must be one of/);
  });

  it.each([{ type: "../evil" }, { type: "/bin/sh" }, { type: ".." }, { type: "" }])(
    "treats a plug-in's type as a name: %j",
    (plugin) => {
      expect(() => list({ plugins: [plugin] })).toThrow(/plugins\.0\.type/);
    },
  );

  it("refuses a name that could leave the cache directory", () => {
    expect(() => list({ name: "a/../../b" })).toThrow(/name/);
  });
});
