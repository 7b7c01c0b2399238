import { writeFileSync } from "node:fs";

/**
 * Niceness of a session among sessions. On real nodes each of these finds a processor; on one machine routing and the agents
 * come first, then whoever measures and the guests: a guest or a probe that waits for a processor shows the machine, not the
 * network. Nobody ranks below the ordinary: who waits for a processor while it holds the kernel's lock on interfaces and
 * routes makes all the others wait with it.
 */
const niceness = { agents: -20, probe: -15, container: -15 } as const;

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
