/** A machine that runs FRR, as the lab's first process sees it. */
import { readFileSync } from "node:fs";
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { run } from "../command.ts";
import { LabError, messageOf } from "../error.ts";
import { bindInto } from "../first/mounts.ts";
import { boundFile, type TopologyNode } from "../topology/topology.ts";
import { parseDaemons } from "./daemons.ts";
import { setgroupsLibrary } from "./packages.ts";

/** One of FRR's daemons, and what it waits for: a path on its machine. */
export interface FrrProgram {
  readonly name: string;
  readonly argv: readonly string[];
  readonly configure: readonly string[];
  readonly needs?: string;
}

/** The daemons that the machine's `/etc/frr/daemons` switches on. Each gets its part of `frr.conf` from vtysh, as in FRR's own start script. */
export function frrPrograms(node: TopologyNode): FrrProgram[] {
  const preload = maySetGroups() ? [] : ["env", `LD_PRELOAD=${setgroupsLibrary}`];
  return daemonsOf(node).map(({ name, options }) => ({
    name,
    // The machine's root owns everything of it; the user frr exists only where the package is installed.
    argv: [...preload, `/usr/lib/frr/${name}`, ...options, "-u", "root", "-g", "root", "--log", "stdout"],
    configure: ["vtysh", "-b", "-d", name],
    // Without zebra's socket a daemon tries again only after 10 s.
    ...(name !== "zebra" && { needs: "/run/frr/zserv.api" }),
  }));
}

/** What Debian's package does when it is installed. @throws LabError `BadTopology` naming the line FRR does not understand */
export async function prepareFrrMachine(
  name: string,
  enter: readonly string[],
  scratch: string,
): Promise<void> {
  // The machine's /run.
  await mkdir(join(scratch, "run/frr"));
  const groups = (await readFile("/etc/group", "utf8")).replaceAll(/^frrvty:.*\n/gm, "");
  const source = "/run/frr/group";
  await writeFile(join(scratch, source), `${groups}frrvty:x:0:\n`);
  await bindInto(enter, { source, target: "/etc/group", isReadOnly: false });
  try {
    await run([...enter, "vtysh", "--dryrun"]);
  } catch (cause) {
    throw new LabError("BadTopology", `FRR refuses the frr.conf of ${name}: ${messageOf(cause)}`, cause);
  }
}

function daemonsOf(node: TopologyNode) {
  const path = boundFile(node.binds, "/etc/frr/daemons") ?? "";
  try {
    return parseDaemons(readFileSync(path, "utf8"));
  } catch (cause) {
    throw new LabError("BadTopology", `cannot read ${path} of ${node.name}: ${messageOf(cause)}`, cause);
  }
}

/** Not in a user namespace that an ordinary user made (user_namespaces(7)). */
function maySetGroups(): boolean {
  return readFileSync("/proc/self/setgroups", "utf8").trim() === "allow";
}
