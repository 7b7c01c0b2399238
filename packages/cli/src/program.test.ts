import { kinds } from "@fairlead/api";
import { FakeCluster } from "@fairlead/api/fake";
import { createIpam, createKubernetesStore } from "@fairlead/ipam";
import { CommanderError } from "commander";
import { beforeEach, describe, expect, it } from "vitest";
import { renderStatus } from "./node-commands.ts";
import { createProgram } from "./program.ts";
import type { Session } from "./session.ts";

let cluster: FakeCluster;
let files: Map<string, string>;

beforeEach(() => {
  cluster = new FakeCluster();
  files = new Map();
  for (const [name, cidr] of [
    ["four", "10.244.0.0/24"],
    ["six", "fd00:10:244::/64"],
  ] as const)
    cluster.put(kinds.IPPool, {
      apiVersion: "projectcalico.org/v3",
      kind: "IPPool",
      metadata: { name },
      spec: { cidr },
    });
  const metadata = { name: "default" };
  cluster.put(kinds.ClusterInformation, {
    apiVersion: "projectcalico.org/v3",
    kind: "ClusterInformation",
    metadata,
    spec: { datastoreReady: false, clusterGUID: "g" },
  });
});

function session(print: (text: string) => void): Session {
  const client = cluster.client();
  return {
    client,
    ipam: createIpam({ store: createKubernetesStore({ client }), settingsMaxAgeMs: 0 }),
    print,
    readFile: (path) => files.get(path) ?? "",
    writeFile: (path, text) => void files.set(path, text),
    version: "0.0.0",
    runDir: "/nowhere",
  };
}

async function run(...args: string[]): Promise<string> {
  let output = "";
  const program = createProgram("/usr/bin/calicoctl", () => session((text) => (output += text)));
  for (const command of program.commands)
    for (const sub of command.commands) sub.configureOutput({ writeErr() {} });
  program.configureOutput({ writeErr() {} });
  await program.parseAsync(args, { from: "user" });
  return output;
}

/** The address of a pod that does not exist any more. */
const allocate = () =>
  session(() => {}).ipam.workloads.assign({
    network: "k8s-pod-network",
    containerId: "c1",
    node: "node-1",
    pod: { namespace: "default", name: "gone", uid: "u", creationTimestamp: "2026-01-01T00:00:00Z" },
    families: [4],
    addresses: ["10.244.0.7"],
  });

describe("calicoctl ipam", () => {
  it("configures VM address persistence as the manual says", async () => {
    expect(await run("ipam", "configure", "--kubevirt-ip-persistence=Disabled")).toBe(
      "Successfully set KubeVirtVMAddressPersistence to: Disabled\n",
    );
    expect(await run("ipam", "show", "--show-configuration")).toMatch(
      /KubeVirtVMAddressPersistence +\| Disabled/,
    );
  });

  it.each([
    [
      ["--kubevirt-ip-persistence=Perhaps"],
      "invalid value for --kubevirt-ip-persistence. Use Enabled or Disabled",
    ],
    [["--strictaffinity=yes"], "invalid value. Use true or false to set strictaffinity"],
    [["--max-blocks-per-host=many"], "invalid value for maxblockhost. Use a valid number"],
    [[], "at least one configuration option must be specified"],
  ])("configure %j says: %s", async (options, message) =>
    expect(run("ipam", "configure", ...options)).rejects.toThrow(message),
  );

  it("shows pools, blocks and an address, as text and as JSON", async () => {
    await allocate();
    expect(await run("ipam", "show")).toContain("10.244.0.0/24");
    expect(await run("ipam", "show", "--show-blocks")).toContain("10.244.0.0/26");
    expect(await run("ipam", "show", "--ip=10.244.0.7")).toMatch(/^IP 10.244.0.7 is in use\n/);
    expect(JSON.parse(await run("ipam", "show", "--json")).pools).toHaveLength(2);
  });

  it("releases an address", async () => {
    await allocate();
    expect(await run("ipam", "release", "--ip=10.244.0.7")).toBe(
      "Successfully released IP address 10.244.0.7\n",
    );
    await expect(run("ipam", "release", "--ip=10.244.0.7")).rejects.toThrow(
      "IP address 10.244.0.7 is not assigned",
    );
  });

  it("checks, and releases what its report found leaked", async () => {
    await allocate();
    expect(await run("ipam", "check", "-o", "report.json", "--show-problem-ips")).toMatch(
      /10.244.0.7 leaked[\s\S]*found 1 problems/,
    );
    expect(await run("ipam", "release", "--from-report=report.json")).toContain(
      "Releasing 1 old IPs...\nReleased 1 IPs successfully\n",
    );
    expect(JSON.parse(await run("ipam", "check", "--json")).problems).toBe(0);
  });

  it("splits a pool of a locked datastore", async () => {
    expect(await run("ipam", "split", "2", "--name=four")).toBe(
      [
        "IP Pool four was successfully split into 2 smaller pools.",
        "Created split-four-0 with CIDR 10.244.0.0/25.",
        "Created split-four-1 with CIDR 10.244.0.128/25.",
        "Please refer to the documentation for final steps.",
        "",
      ].join("\n"),
    );
    await expect(run("ipam", "split", "2")).rejects.toThrow("--cidr or --name");
  });

  it("refuses what it does not know", async () => {
    await expect(run("ipam", "steal")).rejects.toBeInstanceOf(CommanderError);
    await expect(run("ipam", "release")).rejects.toThrow("--ip or --from-report");
  });
});

describe("node status", () => {
  it("says that nothing runs", async () => {
    expect(await run("node", "status")).toBe("Calico process is not running.\n");
    expect(JSON.parse(await run("node", "status", "--json"))).toEqual({ state: "down" });
  });

  it("lists the sessions of each family", () =>
    expect(
      renderStatus({
        version: "2.0.12",
        routerId: "10.0.0.1",
        state: "running",
        protocols: [
          { name: "device1", type: "Device", up: true, info: "" },
          {
            name: "mesh_node_2",
            type: "BGP",
            up: true,
            info: "Established",
            neighbour: { address: "10.0.0.2", asNumber: 64512 },
          },
        ],
      }),
    ).toMatchInlineSnapshot(`
      "Calico process is running.

      IPv4 BGP status
      +--------------+-------------------+-------+-------------+
      | PEER ADDRESS | PEER TYPE         | STATE | INFO        |
      +--------------+-------------------+-------+-------------+
      | 10.0.0.2     | node-to-node mesh | up    | Established |
      +--------------+-------------------+-------+-------------+

      IPv6 BGP status
      No peers found.
      "
    `));
});
