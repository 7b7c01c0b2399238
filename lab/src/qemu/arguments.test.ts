import { expect, test } from "vitest";
import { type MachineOptions, machineArguments } from "./arguments.ts";

const options: MachineOptions = {
  domain: {
    name: "default_vm",
    uuid: "6a4f0f4e-0000-4000-8000-000000000001",
    mac: "02:00:00:00:00:01",
    memoryMiB: 128,
    cpus: 2,
    mtu: 1450,
    ipv6: { address: "fd77::5", gateway: "fe80::1" },
  },
  image: { kernel: "/k", initramfs: "/i" },
  program: "qemu-system-x86_64",
  acceleration: "tcg",
  tap: "tap0",
  directory: "/run/x",
};
const optionOf = (argv: string[], option: string) => argv[argv.indexOf(option) + 1];

test("the guest gets the domain's MAC and MTU on the given tap", () => {
  const argv = machineArguments(options);
  expect(optionOf(argv, "-netdev")).toBe("tap,id=net0,ifname=tap0,script=no,downscript=no");
  expect(argv).toContain("virtio-net-pci,netdev=net0,mac=02:00:00:00:00:01,host_mtu=1450,romfile=");
});

test("IPv6 is told the way cloud-init would tell it, and left out where there is none", () => {
  expect(optionOf(machineArguments(options), "-fw_cfg")).toBe(
    "name=opt/org.fairlead.network,string=address fd77::5/128\ngateway fe80::1\n",
  );
  const { ipv6: _, ...domain } = options.domain;
  expect(machineArguments({ ...options, domain })).not.toContain("-fw_cfg");
});

test("both ends of a migration are the same machine; only the receiving one waits", () => {
  const source = machineArguments(options);
  const target = machineArguments({ ...options, incoming: true });
  expect(target.slice(0, source.length)).toEqual(source);
  expect(target.slice(source.length)).toEqual(["-incoming", "defer"]);
});

test("KVM passes the host's processor through, emulation offers all it can", () => {
  expect(optionOf(machineArguments({ ...options, acceleration: "kvm" }), "-cpu")).toBe("host");
  expect(optionOf(machineArguments(options), "-cpu")).toBe("max");
});
