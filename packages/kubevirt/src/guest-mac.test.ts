import type { VirtualMachineInstance } from "@fairlead/api";
import { expect, test } from "vitest";
import { guestMac, normalizeMac } from "./guest-mac.ts";

const pod = "0a:58:0a:f4:00:05";
const vmi = (
  spec: VirtualMachineInstance["spec"],
  interfaces: NonNullable<VirtualMachineInstance["status"]>["interfaces"] = [],
): VirtualMachineInstance => ({
  apiVersion: "kubevirt.io/v1",
  kind: "VirtualMachineInstance",
  metadata: { name: "vm", namespace: "shop" },
  spec,
  status: { interfaces },
});
const onPodNetwork = (macAddress?: string) => ({
  networks: [
    { name: "storage", multus: { networkName: "san" } },
    { name: "main", pod: {} },
  ],
  domain: {
    devices: {
      interfaces: [
        { name: "storage", macAddress: "02:00:00:00:00:99" },
        { name: "main", bridge: {}, ...(macAddress ? { macAddress } : {}) },
      ],
    },
  },
});

test.each([
  [
    "the owner's choice wins",
    vmi(onPodNetwork("02-AB-00-00-00-01"), [{ name: "main", mac: "02:00:00:00:00:02" }]),
    "02:ab:00:00:00:01",
    "spec",
  ],
  [
    "then what the domain has",
    vmi(onPodNetwork(), [{ name: "main", mac: "02:00:00:00:00:02", infoSource: "domain, guest-agent" }]),
    "02:00:00:00:00:02",
    "status",
  ],
  ["then the pod's", vmi(onPodNetwork()), pod, "pod"],
  [
    "KubeVirt's default network is called default",
    vmi({}, [{ name: "default", mac: "02:00:00:00:00:03", infoSource: "domain" }]),
    "02:00:00:00:00:03",
    "status",
  ],
])("%s", (_name, instance, mac, source) => {
  expect(guestMac(instance, { pod })).toEqual({ mac, source });
});

test("a known MAC is neither forgotten nor replaced because the status is empty for a moment, or says half", () => {
  const remembered = "02:00:00:00:00:02";
  const partial = { name: "main", mac: "02:00:00:00:00:77", podInterfaceName: "eth0" };
  for (const interfaces of [[], [{ name: "main" }], [partial], [{ ...partial, infoSource: "guest-agent" }]])
    expect(guestMac(vmi(onPodNetwork(), interfaces), { remembered, pod })).toEqual({
      mac: remembered,
      source: "remembered",
    });
  expect(guestMac(vmi(onPodNetwork(), [partial]), { pod })).toEqual({ mac: partial.mac, source: "partial" });
  const domain = { ...partial, infoSource: "domain" };
  expect(guestMac(vmi(onPodNetwork(), [domain]), { remembered, pod })?.source).toBe("status");
  expect(guestMac({ ...vmi(onPodNetwork()), status: {} }, { remembered })?.mac).toBe(remembered);
});

test("what only the guest says about itself is not believed", () => {
  const forged = [{ name: "main", mac: "02:00:00:00:00:66", infoSource: "guest-agent" }];
  expect(guestMac(vmi(onPodNetwork(), forged), { pod })).toEqual({ mac: pod, source: "pod" });
});

test("of a list without end only the beginning is read", () => {
  const flood = Array.from({ length: 100_000 }, (_, i) => ({ name: `eth${i}`, mac: "02:00:00:00:00:66" }));
  expect(
    guestMac(vmi(onPodNetwork(), [...flood, { name: "main", mac: "02:00:00:00:00:02" }]), { pod })?.source,
  ).toBe("pod");
});

test("a VM without an interface on the pod network has no MAC there, and nobody's guess is used", () => {
  expect(
    guestMac(vmi({ networks: [{ name: "storage", multus: { networkName: "san" } }] }), { pod }),
  ).toBeUndefined();
  expect(guestMac(vmi(onPodNetwork()))).toBeUndefined();
});

test.each([
  "",
  "02:00:00:00:00",
  "01:00:5e:00:00:01",
  "ff:ff:ff:ff:ff:ff",
  "00:00:00:00:00:00",
  "02:00:00:00:00:0g",
  undefined,
])("%j is no guest's MAC", (text) => {
  expect(normalizeMac(text)).toBeUndefined();
});
