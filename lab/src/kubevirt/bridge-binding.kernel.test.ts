import { execFileSync } from "node:child_process";
import { afterEach, beforeEach, expect, test } from "vitest";
import { applyBridgeBinding } from "./bridge-binding.ts";
import { readPodNetwork } from "./pod-network.ts";
import { makePodSwitch, type PodSwitch } from "./pod-switch.ts";

let pods: PodSwitch;
let netns: string;

beforeEach(() => {
  pods = makePodSwitch();
  netns = pods.add("pod");
});
afterEach(() => pods[Symbol.dispose]());

interface Link {
  ifname: string;
  address: string;
  master?: string;
  mtu: number;
  flags: string[];
  addr_info: { local: string; scope: string }[];
}

const inPod = (...argv: string[]): string =>
  execFileSync("nsenter", [`--net=${netns}`, "--", ...argv], { encoding: "utf8" });
const links = (): Link[] => JSON.parse(inPod("ip", "-json", "address"));
const link = (name: string): Link => links().find(({ ifname }) => ifname === name)!;

test("what the CNI gave the pod is read completely before it is rewired", async () => {
  const network = await readPodNetwork(netns);
  expect(network).toMatchObject({
    mac: link("eth0").address,
    ipv4: ["10.77.0.5/32"],
    ipv6: ["fd77::5/128"],
  });
  expect(network.routes).toContainEqual({ destination: "default", gateway: "169.254.1.1", family: 4 });
  expect(network.routes).toContainEqual({ destination: "default", gateway: "fe80::1", family: 6 });
});

test("the pod's MAC and addresses are parked on an interface that is down", async () => {
  const network = await readPodNetwork(netns);
  await applyBridgeBinding(netns, network);
  const placeholder = link("eth0");
  expect(placeholder.address).toBe(network.mac);
  expect(placeholder.flags).not.toContain("UP");
  expect(placeholder.addr_info.map(({ local }) => local)).toEqual(["10.77.0.5", "fd77::5"]);
});

test("veth and tap are ports of the bridge, and the veth gives the guest its MAC free", async () => {
  const network = await readPodNetwork(netns);
  await applyBridgeBinding(netns, network);
  expect(link("eth0-nic")).toMatchObject({ master: "k6t-eth0", mtu: network.mtu });
  expect(link("tap0")).toMatchObject({ master: "k6t-eth0", mtu: network.mtu });
  expect(link("eth0-nic").address).not.toBe(network.mac);
  expect(link("eth0-nic").addr_info.filter(({ scope }) => scope === "global")).toEqual([]);
  expect(link("k6t-eth0").addr_info.map(({ local }) => local)).toContain("169.254.75.10");
  const ports = JSON.parse(inPod("bridge", "-json", "-d", "link")) as { ifname: string; learning: boolean }[];
  expect(ports.find(({ ifname }) => ifname === "eth0-nic")?.learning).toBe(false);
  expect(ports.find(({ ifname }) => ifname === "tap0")?.learning).toBe(true);
});

test("no IPv4 route is left, and the pod's kernel does not answer for the parked address", async () => {
  await applyBridgeBinding(netns, await readPodNetwork(netns));
  expect(inPod("ip", "-4", "route")).toBe("");
  expect(inPod("sysctl", "-n", "net.ipv4.conf.all.arp_ignore").trim()).toBe("1");
  pods.plug("pod");
  const arping = ["--", "busybox", "arping", "-c", "2", "-w", "2", "-I", "br0", "10.77.0.5"];
  expect(() => execFileSync("nsenter", [`--net=${pods.outside}`, ...arping], { stdio: "ignore" })).toThrow();
});
