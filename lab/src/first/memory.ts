import { readFileSync } from "node:fs";

/** Memory a process has for itself plus its share of what it shares (PSS), bytes. 0 when it is gone. */
export function proportionalMemory(pid: number): number {
  try {
    const kilobytes = /^Pss:\s+(\d+) kB/m.exec(readFileSync(`/proc/${pid}/smaps_rollup`, "utf8"))?.[1];
    return Number(kilobytes ?? 0) * 1024;
  } catch {
    return 0;
  }
}
