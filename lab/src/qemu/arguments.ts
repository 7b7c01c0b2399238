import { type GuestImage, kernelCommandLine } from "../guest/index.ts";
import { memoryArguments } from "./memory.ts";

export type Acceleration = "kvm" | "tcg";

/** What distinguishes one virtual machine from another. The same on both sides of a migration. */
export interface Domain {
  readonly name: string;
  /** RFC 4122 text. */
  readonly uuid: string;
  readonly mac: string;
  readonly memoryMiB: number;
  /** Virtual processors. */
  readonly cpus: number;
  /** Bytes; offered to the guest by virtio-net. */
  readonly mtu: number;
  /** What cloud-init would find as network data: KubeVirt's bridge binding has no DHCPv6 and no router advertisement. */
  readonly ipv6?: { readonly address: string; readonly gateway: string };
}

export interface MachineOptions {
  readonly domain: Domain;
  readonly image: GuestImage;
  /** QEMU's program: a path, or a name that is looked up. */
  readonly program: string;
  readonly acceleration: Acceleration;
  /** Name of a tap interface that exists in the network namespace QEMU runs in. */
  readonly tap: string;
  /** Directory of the machine's sockets: `qmp.sock` and `console.sock`. */
  readonly directory: string;
  /** Keep all of QEMU's memory in place, which needs rights; see {@link memoryArguments}. */
  readonly lockMemory?: boolean;
  /** Wait for a migration; the processors run as soon as everything has arrived. */
  readonly incoming?: boolean;
}

export const qmpSocket = (directory: string): string => `${directory}/qmp.sock`;
export const consoleSocket = (directory: string): string => `${directory}/console.sock`;

/** QEMU's arguments. */
export function machineArguments(options: MachineOptions): string[] {
  const { domain, image, directory } = options;
  const accelerator = options.acceleration === "kvm" ? "kvm" : "tcg,tb-size=32";
  return [
    ...["-name", `guest=${domain.name}`, "-uuid", domain.uuid],
    ...["-no-user-config", "-nodefaults", "-display", "none"],
    ...["-machine", "q35", "-accel", accelerator, "-cpu", options.acceleration === "kvm" ? "host" : "max"],
    ...memoryArguments(domain.memoryMiB, options.lockMemory ?? false),
    ...["-smp", String(domain.cpus)],
    ...["-kernel", image.kernel, "-initrd", image.initramfs],
    ...["-append", kernelCommandLine],
    ...["-netdev", `tap,id=net0,ifname=${options.tap},script=no,downscript=no`],
    ...["-device", `virtio-net-pci,netdev=net0,mac=${domain.mac},host_mtu=${domain.mtu},romfile=`],
    ...[
      "-chardev",
      `socket,id=console0,path=${consoleSocket(directory)},server=on,wait=off,logfile=${directory}/console.log`,
    ],
    ...["-serial", "chardev:console0"],
    ...["-qmp", `unix:${qmpSocket(directory)},server=on,wait=off`],
    ...(domain.ipv6 ? ["-fw_cfg", `name=opt/org.fairlead.network,string=${networkData(domain.ipv6)}`] : []),
    ...(options.incoming ? ["-incoming", "defer"] : []),
  ];
}

/** The lines the guest's init reads. */
function networkData(ipv6: NonNullable<Domain["ipv6"]>): string {
  return `address ${ipv6.address}/128\ngateway ${ipv6.gateway}\n`;
}
