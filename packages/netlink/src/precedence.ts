import { setPriority } from "node:os";
import { libc } from "./libc.ts";

const NICENESS = -15;
/** The shortest that Linux grants, nanoseconds. */
const SLICE = 100_000n;
/** Numbers of sched_setattr(2). */
const calls: Readonly<Partial<Record<NodeJS.Architecture, number>>> = { x64: 314, arm64: 274, riscv64: 274 };

/**
 * Asks the kernel to run the calling thread as soon as it wakes: for one that sleeps nearly always and then is waited for. From
 * Linux 6.12 on a thread with a short slice need not wait until the running one has had its own (milliseconds);
 * before, niceness alone has to do.
 *
 * Its share of the processors stays a fair one: kept awake from outside it cannot starve the machine, as a real-time
 * thread could.
 *
 * @returns false without CAP_SYS_NICE; the thread then takes its turn like any other
 */
export function takePrecedence(): boolean {
  const call = calls[process.arch];
  if (call !== undefined && libc().syscall3(call, 0, attributes(), 0) === 0) return true;
  try {
    // Linux counts it by thread.
    setPriority(NICENESS);
    return true;
  } catch {
    return false;
  }
}

/** struct sched_attr: u32 size, policy; u64 flags; s32 nice; u32 priority; u64 runtime, deadline, period. */
function attributes(): Buffer {
  const SIZE = 48;
  const attr = Buffer.alloc(SIZE);
  attr.writeUInt32LE(SIZE, 0);
  attr.writeInt32LE(NICENESS, 16);
  attr.writeBigUInt64LE(SLICE, 24);
  return attr;
}
