/** Who gets a processor first, where one machine stands for many. */
import { spawnSync } from "node:child_process";
import { writeFileSync } from "node:fs";

/**
 * Niceness of a session among sessions. On real nodes each of these finds a processor; on one machine the agents
 * come first, then the guests: a guest that waits for a processor shows the machine, not the network. Nobody ranks below
 * the ordinary: who waits for a processor while it holds the kernel's lock on interfaces and routes makes all the
 * others wait with it.
 */
const niceness = { agents: -20, container: -15 } as const;

/**
 * Gives a session its place among the sessions of the machine. Where the kernel shares processors between sessions first,
 * niceness counts only within one; sched(7).
 *
 * @param member process ID of any process of the session, such as a child just spawned with `detached`
 * @returns whether it took effect: a kernel without autogroups, or a user without CAP_SYS_NICE, leaves the session as it is
 */
export function rankSession(member: number, rank: keyof typeof niceness): boolean {
  try {
    writeFileSync(`/proc/${member}/autogroup`, String(niceness[rank]));
    return true;
  } catch {
    return false;
  }
}

const realTime = ["chrt", "--rr", "1"] as const;
let prefix: readonly string[] | undefined;

/**
 * Prefix of a command whose program interrupts all ordinary ones as soon as it has something to do: for routers, whose
 * machines do nothing else, and for who measures: a witness that waits for a processor notes its own wait. Empty for a
 * user who may not.
 */
export function promptly(): readonly string[] {
  prefix ??= spawnSync(realTime[0], [...realTime.slice(1), "true"]).status === 0 ? realTime : [];
  return prefix;
}
