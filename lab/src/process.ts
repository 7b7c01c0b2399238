import { readdirSync, readFileSync, readlinkSync } from "node:fs";
import { run } from "./command.ts";

/**
 * Start time of a process in clock ticks since boot, field 22 of /proc/pid/stat: tells it from a later process with the same
 * number. Undefined when it is gone or only waits to be collected.
 */
export function startTimeOf(pid: number): string | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
    // The program's name stands in parentheses and may contain anything.
    const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    return fields[0] === "Z" ? undefined : fields[19];
  } catch {
    return undefined;
  }
}

export function childrenOf(pid: number): number[] {
  try {
    const text = readFileSync(`/proc/${pid}/task/${pid}/children`, "utf8").trim();
    return text === "" ? [] : text.split(" ").map(Number);
  } catch {
    return [];
  }
}

/** Children, their children, and so on. */
export function descendantsOf(pid: number): number[] {
  return childrenOf(pid).flatMap((child) => [child, ...descendantsOf(child)]);
}

/** Sends a signal; false when the process is gone already. */
export function sendSignal(pid: number, signal: NodeJS.Signals): boolean {
  try {
    return process.kill(pid, signal);
  } catch {
    return false;
  }
}

/** Processes whose network namespace is this one, as /proc names it (`net:[4026532281]`). */
export function processesInNetns(namespace: string): number[] {
  return readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .map(Number)
    .filter((pid) => {
      try {
        return readlinkSync(`/proc/${pid}/ns/net`) === namespace;
      } catch {
        return false;
      }
    });
}

/** Who listens on a TCP port of our network namespace, as far as we may see. */
export async function ownersOfPort(
  port: number,
): Promise<readonly { readonly pid: number; readonly name: string }[]> {
  const listeners = await run(["ss", "-H", "-l", "-t", "-n", "-p", `sport = :${port}`]).catch(() => "");
  const owners = listeners.matchAll(/\("([^"]*)",pid=(\d+),/g);
  return [...owners].map(([, name, pid]) => ({ name: name!, pid: Number(pid) }));
}
