/** The lab of an ordinary user: in a user namespace of its own, with the packages installed and nothing else. */
import { chownSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { afterEach, beforeAll, beforeEach, expect, it } from "vitest";
import { defaultTopology } from "../first/paths.ts";
import { prepareFrr } from "../frr/packages.ts";
import { prepareGuest } from "../qemu/index.ts";
import { labCommand, Trial, until } from "./trial.ts";

/** Nobody on any machine. */
const user = 64_321;
const asUser = ["setpriv", `--reuid=${user}`, `--regid=${user}`, "--clear-groups", "--"];
const openTun = "mount -t tmpfs tmpfs /dev/net && mknod -m 666 /dev/net/tun c 10 200";
const closedTun = "mount -t tmpfs tmpfs /dev/net && mknod -m 600 /dev/net/tun c 10 200";

const frr = join(dirname(defaultTopology), "three-workers-frr");

/** As little as a VM needs: nothing that an ordinary user's programs compile is in the cache that ours share. */
const oneWorker = `
name: one-worker
topology:
  nodes:
    node1:
      kind: linux
      mgmt-ipv4: 172.20.20.11
      labels: { fairlead.io/role: worker }
      exec:
        - ip addr add 10.10.1.2/24 dev eth1
        - ip addr add fd00:10:1::2/64 dev eth1
        - ip route add default via 10.10.1.1
        - ip route add default via fd00:10:1::1
    tor:
      kind: bird
      mgmt-ipv4: 172.20.20.21
      labels: { fairlead.io/role: router }
      startup-config: ${join(dirname(defaultTopology), "three-workers.tor.conf")}
      exec:
        - ip addr add 10.10.0.1/32 dev lo
        - ip addr add fd00:10::1/128 dev lo
        - ip addr add 10.10.1.1/24 dev eth1
        - ip addr add fd00:10:1::1/64 dev eth1
  links:
    - endpoints: ["node1:eth1", "tor:eth1"]
mgmt: { ipv4-subnet: 172.20.20.0/24, ipv6-subnet: "fd00:172:20:20::/64" }
`;

const oneWorkerBehindFrr = oneWorker
  .replace("kind: bird", "kind: linux\n      image: frrouting/frr:v8.4.1")
  .replace(
    /startup-config: .*/,
    `binds: ["${frr}/daemons:/etc/frr/daemons", "${frr}/frr.conf:/etc/frr/frr.conf"]`,
  );

let trial: Trial;
beforeAll(async () => {
  await prepareGuest();
  await prepareFrr();
});
beforeEach(() => {
  trial = new Trial();
  chownSync(trial.out, user, user);
});
afterEach(() => trial.end());

const unreadable = "an ordinary user may not read this checkout";
const mayRead = () => trial.run([...asUser, "test", "-r", labCommand()[1]!]).status === 0;

/** Runs the command line as the user, after root has prepared what only this command sees. */
function lab(preparation: string, ...args: string[]) {
  const shell = `${preparation} && exec "$@"`;
  return trial.run(["unshare", "--mount", "sh", "-c", shell, "sh", ...asUser, ...labCommand(...args)]);
}

it("without /dev/net/tun says who has to do what, and changes nothing", ({ skip }) => {
  if (!mayRead()) skip(unreadable);
  const { status, stdout, stderr } = lab(closedTun, "up");
  expect([status, stdout]).toEqual([1, ""]);
  expect(stderr).toMatch(
    /^lab: without root .* have root do this: \/dev\/net\/tun.*: chmod 0666 \/dev\/net\/tun\n$/,
  );
  expect(trial.leftovers()).toEqual([]);
});

it("a VM runs in it, and nothing remains", async ({ skip }) => {
  if (!mayRead()) skip(unreadable);
  const topology = join(trial.out, "one-worker.clab.yml");
  writeFileSync(topology, oneWorker);
  const started = lab(openTun, "up", "--json", "--topology", topology);
  expect([started.stderr, started.status]).toEqual(["", 0]);
  const kubectl = (...args: string[]) => lab("true", "kubectl", ...args);
  const vm = {
    apiVersion: "kubevirt.io/v1",
    kind: "VirtualMachine",
    metadata: { name: "vm1", namespace: "default" },
    spec: {
      runStrategy: "Always",
      template: {
        metadata: { annotations: { "kubevirt.io/allow-pod-bridge-network-live-migration": "" } },
        spec: { domain: {}, networks: [{ name: "default", pod: {} }] },
      },
    },
  };
  const file = join(trial.out, "vm.json");
  writeFileSync(file, JSON.stringify(vm));
  expect(kubectl("create", "-f", file).stderr).toBe("");
  const phase = () => kubectl("get", "vmi", "vm1", "-o", "jsonpath={.status.phase}").stdout;
  await until("the VM's start", () => phase() === "Running", 120_000);
  expect(lab("true", "exec", "node1", "--", "nft", "list", "ruleset").stdout).toContain("table inet");
  expect(lab("true", "down").stdout).toBe("the lab is down\n");
  expect(trial.leftovers()).toEqual(["file vm.json"]);
});

it("a router runs FRR in it, and nothing remains", ({ skip }) => {
  if (!mayRead()) skip(unreadable);
  const topology = join(trial.out, "one-worker-frr.clab.yml");
  writeFileSync(topology, oneWorkerBehindFrr);
  const started = lab(openTun, "up", "--json", "--topology", topology);
  expect([started.stderr, started.status]).toEqual(["", 0]);
  const summary = lab("true", "exec", "tor", "--", "vtysh", "-c", "show bgp summary established").stdout;
  expect(summary).toContain("10.10.1.2");
  expect(summary).toContain("fd00:10:1::2");
  expect(lab("true", "down").stdout).toBe("the lab is down\n");
  expect(trial.leftovers()).toEqual([]);
});
