import { readFileSync } from "node:fs";

/** Bit of CAP_IPC_LOCK in /proc/PID/status; capabilities(7). */
const capIpcLock = 14n;

/** What this process may do with memory, as /proc tells it. */
export interface MemoryRights {
  /** `CapEff` of /proc/self/status: hexadecimal. */
  readonly effectiveCapabilities: string;
  /** /proc/self/uid_map: capabilities over memory count only in the first user namespace. */
  readonly uidMap: string;
  /** The soft limit "Max locked memory" of /proc/self/limits: bytes or `unlimited`. */
  readonly lockLimit: string;
}

/** Whether QEMU could lock all its memory; see mlockall(2). */
export function mayLockMemory(rights: MemoryRights = readRights()): boolean {
  const isInitialNamespace = /^\s*0\s+0\s+4294967295\s*$/.test(rights.uidMap);
  const isCapable = ((BigInt(`0x${rights.effectiveCapabilities}`) >> capIpcLock) & 1n) === 1n;
  return rights.lockLimit === "unlimited" || (isInitialNamespace && isCapable);
}

/**
 * QEMU's arguments for a guest's memory.
 *
 * All of it is there before the guest runs. Otherwise the target's kernel clears page after page while the last memory
 * arrives and while the guest takes its first steps: 200 ms of pause instead of 5 where a hypervisor below has to find
 * the pages first.
 *
 * @param mebibytes as asked for by the VM
 * @param isLockable whether {@link mayLockMemory}; without it only the guest's memory is there from the beginning, not
 *   QEMU's own
 */
export function memoryArguments(mebibytes: number, isLockable: boolean): string[] {
  return ["-m", `${mebibytes}M`, ...(isLockable ? ["-overcommit", "mem-lock=on"] : ["-mem-prealloc"])];
}

function readRights(): MemoryRights {
  const status = readFileSync("/proc/self/status", "utf8");
  const limits = readFileSync("/proc/self/limits", "utf8");
  return {
    effectiveCapabilities: /^CapEff:\s*([0-9a-f]+)$/m.exec(status)?.[1] ?? "0",
    uidMap: readFileSync("/proc/self/uid_map", "utf8"),
    lockLimit: /^Max locked memory\s+(\S+)/m.exec(limits)?.[1] ?? "0",
  };
}
