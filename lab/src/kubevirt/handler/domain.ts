import { createHash } from "node:crypto";
import type { VirtualMachineInstance } from "@fairlead/api";
import type { Domain } from "../../qemu/index.ts";
import { podInterface } from "../migratability.ts";
import type { PodNetwork } from "../pod-network.ts";

/** What the lab's guest is given unless the VMI asks for more, in MiB. */
const defaultMemoryMiB = 128;

/** The domain of a VMI that starts in a pod with this network. */
export function domainOf(vmi: VirtualMachineInstance, network: PodNetwork): Domain {
  const { namespace, name } = vmi.metadata;
  const [address] = (network.ipv6[0] ?? "").split("/");
  const gateway = network.routes.find(
    (route) => route.family === 6 && route.destination === "default",
  )?.gateway;
  return {
    name: `${namespace}_${name}`,
    uuid: firmwareUuid(name),
    mac: podInterface(vmi)?.macAddress ?? network.mac,
    memoryMiB: memoryOf(vmi),
    cpus: processorsOf(vmi),
    mtu: network.mtu,
    ...(address && gateway !== undefined && { ipv6: { address, gateway } }),
  };
}

/** Stable for a VM's name, as KubeVirt's is. */
function firmwareUuid(name: string): string {
  const hex = createHash("sha1").update(`fairlead-lab/${name}`).digest("hex");
  const groups = [hex.slice(0, 8), hex.slice(8, 12), `5${hex.slice(13, 16)}`, `8${hex.slice(17, 20)}`];
  return [...groups, hex.slice(20, 32)].join("-");
}

function memoryOf(vmi: VirtualMachineInstance): number {
  const { memory, resources } = (vmi.spec.domain ?? {}) as {
    memory?: { guest?: string };
    resources?: { requests?: { memory?: string } };
  };
  const quantity = memory?.guest ?? resources?.requests?.memory;
  return quantity === undefined ? defaultMemoryMiB : Math.max(1, Math.round(bytesOf(quantity) / 2 ** 20));
}

/** KubeVirt's topology: all that is not given is one. */
function processorsOf(vmi: VirtualMachineInstance): number {
  const { cpu = {} } = (vmi.spec.domain ?? {}) as {
    cpu?: { sockets?: number; cores?: number; threads?: number };
  };
  return (cpu.sockets ?? 1) * (cpu.cores ?? 1) * (cpu.threads ?? 1);
}

const units: Readonly<Record<string, number>> = {
  "": 1,
  k: 1e3,
  M: 1e6,
  G: 1e9,
  Ki: 2 ** 10,
  Mi: 2 ** 20,
  Gi: 2 ** 30,
};

/** A Kubernetes quantity in bytes; the usual suffixes. */
export function bytesOf(quantity: string): number {
  const [, number, suffix] = /^(\d+(?:\.\d+)?)([a-zA-Z]*)$/.exec(quantity) ?? [];
  const unit = units[suffix ?? ""];
  if (number === undefined || unit === undefined)
    throw new RangeError(`not a quantity of memory: ${quantity}`);
  return Number(number) * unit;
}
