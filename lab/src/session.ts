import { writeFileSync } from "node:fs";

/**
 * Gives a session precedence over the rest of the machine: a guest or a probe that waits for a processor shows the machine,
 * not the network. Where the kernel shares processors between sessions first, niceness counts only within one; sched(7).
 *
 * @param leader process ID of a session's leader, such as a child just spawned with `detached`
 * @returns whether it took effect: a kernel without autogroups, or a user without CAP_SYS_NICE, leaves the session as it is
 */
export function favourSession(leader: number): boolean {
  try {
    writeFileSync(`/proc/${leader}/autogroup`, "-15");
    return true;
  } catch {
    return false;
  }
}
