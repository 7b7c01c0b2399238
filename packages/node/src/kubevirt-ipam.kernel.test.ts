/** Addresses of VMs at the level of processes: API server, agents and plug-ins are those of a cluster, the runtime is played. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type ApiClient, createApiClient, kinds } from "@fairlead/api";
import { createIpam, createKubernetesStore, type Ipam, isIpamError } from "@fairlead/ipam";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { startServerProcess } from "../../../lab/src/apiserver/process.fixture.ts";
import {
  type AgentProcess,
  containerOf,
  type RuntimePod,
  startAgentProcess,
} from "./agent-process.fixture.ts";
import { LaunchedMachine } from "./launched-machine.fixture.ts";

const network = "net1";
const config = {
  cniVersion: "1.1.0",
  name: network,
  type: "calico",
  ipam: { type: "calico-ipam", assign_ipv4: "true", assign_ipv6: "true" },
};

let resources: AsyncDisposableStack;
let client: ApiClient;
let ipam: Ipam;
let a: AgentProcess;
let b: AgentProcess;
let created = 0;

beforeAll(async () => {
  resources = new AsyncDisposableStack();
  const directory = mkdtempSync(join(tmpdir(), "fairlead-agents-"));
  resources.defer(() => rmSync(directory, { recursive: true, force: true }));
  const server = resources.use(await startServerProcess({ kubeVirt: true }));
  const { kubeconfig, port: apiPort } = server;
  client = createApiClient({ kubeconfig });
  resources.defer(() => client.close());
  ipam = createIpam({ store: createKubernetesStore({ client }), settingsMaxAgeMs: 0 });
  await client.create(kinds.IPPool, { metadata: { name: "four" }, spec: { cidr: "10.244.0.0/16" } });
  await client.create(kinds.IPPool, { metadata: { name: "six" }, spec: { cidr: "fd00:10:244::/64" } });
  const start = async (nodeName: string) => {
    await client.create(kinds.Node, { metadata: { name: nodeName } });
    const options = { nodeName, kubeconfig, apiPort, directory: join(directory, nodeName), config };
    return resources.use(await startAgentProcess(options));
  };
  a = await start("node-a");
  b = await start("node-b");
}, 180_000);
afterAll(() => resources.disposeAsync(), 60_000);

const machine = (options: { standalone?: boolean } = {}) =>
  LaunchedMachine.create(client, `vm-${++created}`, options);

/** Who owns each address of a VM, by pod; undefined when the VM has none. */
async function ownersOf({ name }: LaunchedMachine) {
  const addresses = await ipam.addressesOf(`${network}.vmi.default.${name}`).catch((error) => {
    if (isIpamError(error, "HandleNotFound")) return [];
    throw error;
  });
  if (addresses.length === 0) return undefined;
  const owners = await Promise.all(addresses.map(({ address }) => ipam.owners.get(address)));
  return owners.map(({ active, alternate }) => [active?.pod, alternate?.pod]);
}

const both = (active: RuntimePod | undefined, alternate?: RuntimePod) =>
  [0, 1].map(() => [active?.name, alternate?.name]);

describe("requests of an ADD, as the API server counts them", () => {
  /** `VERB resource` of each request for a resource so far, with how many. */
  async function counts(): Promise<ReadonlyMap<string, number>> {
    const { body } = await client.raw({ method: "GET", path: "/metrics" });
    const lines = String(body).matchAll(/resource="(\w+)",subresource="(\w*)",verb="(\w+)",.*\} (\d+)$/gm);
    return new Map(
      [...lines].map(([, resource, subresource, verb, count]) => [
        `${verb} ${resource}${subresource && `/${subresource}`}`,
        Number(count),
      ]),
    );
  }

  async function requestsOf(node: AgentProcess, pod: RuntimePod): Promise<readonly string[]> {
    const before = await counts();
    expect((await node.run("calico", "ADD", pod)).exitCode).toBe(0);
    const after = await counts();
    // Agents look from time to time whether a definition that is missing has come.
    const own = [...after].filter(([what]) => what !== "LIST clusternetworkpolicies");
    return own.flatMap(([what, count]) =>
      Array.from({ length: count - (before.get(what) ?? 0) }, () => what),
    );
  }

  test("are six at most, whether the VM is new, moves, or starts again on another node", async () => {
    for (const node of [a, b]) {
      // Nodes have their blocks already, but for their first pod.
      const other = await machine();
      await node.run("calico", "ADD", await other.launch(node.nodeName));
    }
    const vm = await machine();
    const first = await vm.launch("node-a");
    const asNew = await requestsOf(a, first);
    const target = await vm.launch("node-b", { target: true });
    const moving = await requestsOf(b, target);
    for (const [node, pod] of [
      [a, first],
      [b, target],
    ] as const) {
      await node.run("calico", "DEL", pod);
      await vm.removePod(pod);
    }
    await vm.recreateInstance();
    const again = await requestsOf(b, await vm.launch("node-b"));
    const blocks = ["UPDATE ipamblocks", "UPDATE ipamblocks"];
    const annotated = "PATCH pods/status";
    const [read, made] = ["GET ipamhandles", "CREATE ipamhandles"];
    expect(asNew.toSorted()).toEqual([read, made, ...blocks, read, annotated].toSorted());
    const elsewhere = [read, "GET ipamblocks", "GET ipamblocks", ...blocks, annotated].toSorted();
    expect(moving.toSorted()).toEqual(elsewhere);
    expect(again.toSorted()).toEqual(elsewhere);
  });
});

describe.each(["calico-ipam", "calico"])("%s, persistence enabled", (plugin) => {
  const remove = (node: AgentProcess, pod: RuntimePod) => node.run(plugin, "DEL", pod);
  const gone = { exitCode: 0, body: undefined };

  /** ADD that succeeds: its addresses, and whether the node attracts traffic to them. */
  async function add(node: AgentProcess, pod: RuntimePod) {
    const { exitCode, body } = await node.run(plugin, "ADD", pod);
    expect([exitCode, body?.msg]).toEqual([0, undefined]);
    const { ips, routes } = body as { ips: { address: string }[]; routes?: unknown[] };
    const addresses = ips.map(({ address }) => address);
    const attracted = node.routes().filter((destination) => addresses.includes(destination));
    return { addresses, attracts: plugin === "calico" ? attracted.length : (routes ?? []).length };
  }

  test("a pod is recreated: DEL keeps both addresses without owners, the next ADD returns them with routes", async () => {
    const vm = await machine();
    const first = await vm.launch("node-a");
    const given = await add(a, first);
    expect(given.addresses.map((one) => one.replace(/.*\//, "/"))).toEqual(["/32", "/128"]);
    expect(await remove(a, first)).toEqual(gone);
    expect(await ownersOf(vm)).toEqual(both(undefined));
    await vm.removePod(first);
    const second = await vm.launch("node-b");
    expect(await add(b, second)).toEqual({ addresses: given.addresses, attracts: 2 });
    expect(await ownersOf(vm)).toEqual(both(second));
  });

  test("live migration: the target gets both addresses and no routes; each DEL empties its own side", async () => {
    const vm = await machine();
    const source = await vm.launch("node-a");
    const { addresses } = await add(a, source);
    const target = await vm.launch("node-b", { target: true });
    expect(await add(b, target)).toEqual({ addresses, attracts: 0 });
    expect(await ownersOf(vm)).toEqual(both(source, target));
    const { alternate } = await ipam.owners.get(addresses[0]!.replace(/\/.*/, ""));
    expect(alternate).toMatchObject({ node: "node-b", "vmim-uid": target.migration });
    expect(await remove(a, source)).toEqual(gone);
    expect(await ownersOf(vm)).toEqual(both(undefined, target));
    expect(await remove(b, target)).toEqual(gone);
    expect(await ownersOf(vm)).toEqual(both(undefined));
  });

  test("a VMI is recreated while its old pod is left over: the new pod gets the addresses, under the new UID", async () => {
    const vm = await machine();
    const orphan = await vm.launch("node-a");
    const { addresses } = await add(a, orphan);
    const before = await client.get(kinds.Pod, orphan);
    await vm.recreateInstance();
    // Creation times have whole seconds; a VM is not started anew within one.
    const next = Date.parse(before.metadata.creationTimestamp ?? "") + 1000;
    await expect.poll(() => Date.now() > next).toBe(true);
    const fresh = await vm.launch("node-b");
    expect((await add(b, fresh)).addresses).toEqual(addresses);
    expect(await ownersOf(vm)).toEqual(both(fresh));
    const { active } = await ipam.owners.get(addresses[0]!.replace(/\/.*/, ""));
    expect(active).toMatchObject({ "vmi-uid": vm.vmiUid });
  });

  test("a pod is deleted, or the VMI is being deleted, and the VM lives: the handle stays, owners are empty", async () => {
    for (const isStopping of [false, true]) {
      const vm = await machine();
      const pod = await vm.launch("node-a");
      await add(a, pod);
      if (isStopping) await vm.deleteInstance();
      expect(await remove(a, pod)).toEqual(gone);
      expect(await ownersOf(vm)).toEqual(both(undefined));
    }
  });

  test("the VM is being deleted: DEL releases the handle", async () => {
    const vm = await machine();
    const pod = await vm.launch("node-a");
    await add(a, pod);
    await vm.deleteMachine();
    expect(await remove(a, pod)).toEqual(gone);
    expect(await ownersOf(vm)).toBeUndefined();
  });

  test.each(["source", "target"])(
    "the VM is being deleted in a migration, %s first: released after the second DEL",
    async (firstToGo) => {
      const vm = await machine();
      const source = await vm.launch("node-a");
      await add(a, source);
      const target = await vm.launch("node-b", { target: true });
      await add(b, target);
      await vm.deleteMachine();
      const order = [() => remove(a, source), () => remove(b, target)];
      if (firstToGo === "target") order.reverse();
      expect(await order[0]!()).toEqual(gone);
      expect(await ownersOf(vm)).toEqual(firstToGo === "source" ? both(undefined, target) : both(source));
      expect(await order[1]!()).toEqual(gone);
      expect(await ownersOf(vm)).toBeUndefined();
    },
  );

  test("DEL succeeds when the pod object is gone already, and leaves no owner behind", async () => {
    const vm = await machine();
    const pod = await vm.launch("node-a");
    await add(a, pod);
    await vm.removePod(pod);
    expect(await remove(a, pod)).toEqual(gone);
    expect(await ownersOf(vm)).toEqual(both(undefined));
    expect(await remove(a, pod)).toEqual(gone);
  });

  test("a VMI without VM is being deleted: DEL releases the handle", async () => {
    const vm = await machine({ standalone: true });
    const pod = await vm.launch("node-a");
    await add(a, pod);
    await vm.deleteInstance();
    expect(await remove(a, pod)).toEqual(gone);
    expect(await ownersOf(vm)).toBeUndefined();
  });

  test("ADD is refused when the VMI does not exist", async () => {
    const vm = await machine();
    const pod = await vm.launch("node-a");
    await vm.removeInstance();
    const { exitCode, body } = await a.run(plugin, "ADD", pod);
    expect(exitCode).toBe(1);
    expect(body?.msg).toContain("failed to get VMI info");
    expect(await ownersOf(vm)).toBeUndefined();
  });
});

describe("persistence disabled", () => {
  beforeAll(async () => {
    const vm = await machine();
    await a.run("calico-ipam", "ADD", await vm.launch("node-a"));
    await ipam.configure({ kubeVirtVMAddressPersistence: "Disabled" });
    // Each agent hears of it by its watch.
    for (const node of [a, b]) {
      const target = await vm.launch(node.nodeName, { target: true });
      await vi.waitFor(async () => expect((await node.run("calico-ipam", "ADD", target)).exitCode).toBe(1), {
        timeout: 30_000,
        interval: 50,
      });
    }
  }, 120_000);

  test.each(["calico-ipam", "calico"])("%s refuses the target of a migration", async (plugin) => {
    const vm = await machine();
    await a.run(plugin, "ADD", await vm.launch("node-a"));
    const { exitCode, body } = await b.run(plugin, "ADD", await vm.launch("node-b", { target: true }));
    expect(exitCode).toBe(1);
    expect(body?.msg).toContain("not allowed when KubeVirtVMAddressPersistence is disabled");
  });

  test.each(["calico-ipam", "calico"])("%s treats a launcher as any other pod", async (plugin) => {
    const vm = await machine();
    const ipsOf = ({ body }: { body: Record<string, unknown> | undefined }) =>
      (body as { ips: { address: string }[] }).ips.map(({ address }) => address.replace(/\/.*/, ""));
    const first = await vm.launch("node-a");
    const given = ipsOf(await a.run(plugin, "ADD", first));
    expect(given).toHaveLength(2);
    expect(await ownersOf(vm)).toBeUndefined();
    for (const address of given) {
      const { handle, active } = await ipam.owners.get(address);
      expect(handle).toBe(`${network}.${containerOf(first)}`);
      expect(Object.keys(active ?? {}).filter((key) => key.startsWith("vm"))).toEqual([]);
    }
    const second = await vm.launch("node-b");
    expect(ipsOf(await b.run(plugin, "ADD", second))).not.toEqual(given);
    expect((await a.run(plugin, "DEL", first)).exitCode).toBe(0);
    for (const address of given) expect((await ipam.show(address)).inUse).toBe(false);
  });
});
