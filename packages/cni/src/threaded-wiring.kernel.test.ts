import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { NetworkNamespace, RouteSocket } from "@fairlead/netlink";
import { afterEach, beforeEach, expect, it } from "vitest";
import { hostInterfaceName } from "./interface-name.ts";
import { createThreadedWiring } from "./threaded-wiring.ts";
import { describeWiring } from "./wiring.compliance.ts";
import type { Wiring, WiringRequest } from "./wiring.ts";

let directory: string;
let node: NetworkNamespace;
let wiring: Wiring & AsyncDisposable;

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "fairlead-wiring-"));
  node = NetworkNamespace.create();
  for (const pod of ["a", "b"]) NetworkNamespace.createAt(join(directory, pod)).close();
  wiring = createThreadedWiring({ node });
});

afterEach(async () => {
  await wiring[Symbol.asyncDispose]();
  for (const pod of ["a", "b"]) NetworkNamespace.remove(join(directory, pod));
  node.close();
  rmSync(directory, { recursive: true });
});

const requestOf = (pod: string, address: string): WiringRequest => ({
  netns: join(directory, pod),
  containerInterface: "eth0",
  hostInterface: hostInterfaceName({ namespace: "default", name: pod }),
  addresses: [address],
  queues: 1,
  allowIpForwarding: false,
});

const links = () => {
  using socket = RouteSocket.open({ netns: node });
  return socket.links.list().filter(({ name }) => name.startsWith("cali"));
};

it("wires, inspects and unwires the right namespaces, several calls at once", async () => {
  const requests = [requestOf("a", "10.244.0.5"), requestOf("b", "fd00:10:244::6")];
  const wired = await Promise.all(requests.map(wiring.attach));
  expect(
    links()
      .map(({ index }) => index)
      .sort(),
  ).toEqual(wired.map(({ linkIndex }) => linkIndex).sort());
  expect(await Promise.all(requests.map(wiring.inspect))).toEqual([[], []]);
  const [{ hostInterface, netns }] = requests as [WiringRequest];
  expect(await wiring.look({ hostInterfaces: [hostInterface], netns })).toEqual([
    { hostInterface, linkIndex: wired[0]!.linkIndex, leadsThere: true },
  ]);
  await Promise.all(requests.map(wiring.detach));
  expect(links()).toEqual([]);
  expect(await wiring.detach({ hostInterface })).toBeUndefined();
});

it("the main loop goes on while an interface is removed", async () => {
  const request = requestOf("a", "10.244.0.5");
  await wiring.attach(request);
  let turns = 0;
  let isDone = false;
  const removed = wiring.detach(request).then(() => {
    isDone = true;
  });
  while (!isDone) {
    turns += 1;
    await new Promise(setImmediate);
  }
  await removed;
  expect(turns).toBeGreaterThan(1);
});

it("rejects as CniError, with what to do next", async () => {
  const nowhere = { ...requestOf("a", "10.244.0.5"), netns: join(directory, "nowhere") };
  await expect(wiring.attach(nowhere)).rejects.toMatchObject({
    name: "CniError",
    code: "WiringFailed",
    message: expect.stringContaining(nowhere.hostInterface),
    remedy: expect.stringContaining("tries again"),
  });
  expect(await wiring.inspect(requestOf("a", "10.244.0.5"))).toHaveLength(1);
});

describeWiring("wiring in the kernel", () => {
  const directory = mkdtempSync(join(tmpdir(), "fairlead-wiring-"));
  const node = NetworkNamespace.create();
  const wiring = createThreadedWiring({ node });
  const path = (pod: string) => join(directory, pod);
  const present = new Set(["a", "b"]);
  for (const pod of present) NetworkNamespace.createAt(path(pod)).close();
  const end = (pod: string) => {
    NetworkNamespace.remove(path(pod));
    present.delete(pod);
  };
  return {
    wiring,
    path,
    end,
    onNode() {
      using socket = RouteSocket.open({ netns: node });
      return socket.links.list({ kind: "veth" }).map((link) => link.name);
    },
    async [Symbol.asyncDispose]() {
      await wiring[Symbol.asyncDispose]();
      for (const pod of present) end(pod);
      node.close();
      rmSync(directory, { recursive: true });
    },
  };
});
