/** After a failure: what is missing on this machine, and what to do about it. Asked only then, so it may be slow. */
import { readFileSync } from "node:fs";
import { errnoName } from "./errno.ts";

/** Capability numbers (linux/capability.h). */
const CAP = { CAP_NET_ADMIN: 12, CAP_NET_RAW: 13, CAP_SYS_ADMIN: 21 } as const;
export type Capability = keyof typeof CAP;

/** Advice for a refused netlink request; undefined when the errno says enough. `operation`: the verb phrase of the error. */
export function adviceFor(errno: number, operation: string, status = readStatus): string | undefined {
  switch (errnoName(errno)) {
    case "EPERM":
    case "EACCES":
      return capabilityAdvice("CAP_NET_ADMIN", status);
    case "EOPNOTSUPP":
      return unsupportedAdvice(operation);
    case "ENOBUFS":
      return "The kernel dropped messages for this socket: list again";
    default:
      return undefined;
  }
}

/** Whether the process lacks the capability, or has it only in another user namespace than the network's. */
export function capabilityAdvice(capability: Capability, status = readStatus): string {
  const effective = /^CapEff:\s*([0-9a-f]+)$/m.exec(status())?.[1];
  const held = effective !== undefined && (BigInt(`0x${effective}`) >> BigInt(CAP[capability])) % 2n === 1n;
  return held
    ? `The process has ${capability}, but not over this network namespace: it belongs to another user namespace`
    : `The process lacks ${capability}: run it as root or grant the capability`;
}

function unsupportedAdvice(operation: string): string | undefined {
  const kind = /^add (bridge|dummy|veth)$/.exec(operation)?.[1];
  if (kind !== undefined)
    return `The kernel has no link type ${kind}: load it with modprobe ${kind}, or use a kernel that has it`;
  if (operation === "set link")
    return "The link does not take this setting; bridge port settings need a port of a bridge";
  return undefined;
}

const readStatus = (): string => {
  try {
    return readFileSync("/proc/self/status", "utf8");
  } catch {
    return "";
  }
};
