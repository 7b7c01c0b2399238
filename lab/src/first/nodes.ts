import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { copyFile, mkdir, readFile, readlink, writeFile } from "node:fs/promises";
import { basename, join } from "node:path";
import { run } from "../command.ts";
import { LabError } from "../error.ts";
import { prepareFrrMachine } from "../frr/machine.ts";
import type { Topology, TopologyNode } from "../topology/topology.ts";
import { bindInto, ownSysfs, privateFilesystem } from "./mounts.ts";
import { linkCommands, managementCommands, namespaceSysctls, nodeCommands } from "./network.ts";
import { inside, networkConfig } from "./paths.ts";

/** A machine of the lab: namespaces held open by a process that sleeps. */
export interface LabNode extends TopologyNode {
  readonly holder: ChildProcess;
  /** Prefix that runs a program in the node. */
  readonly enter: readonly string[];
}

/** The prefix that runs a program in the namespaces of process `pid`. */
export function enterNode(pid: number): string[] {
  return ["nsenter", "--target", String(pid), "--net", "--mount", "--uts", "--"];
}

/** Gives the root namespace its part of the management network, on which the API server listens. */
export async function buildManagementNetwork(topology: Topology): Promise<void> {
  await applySysctls([]);
  await batch([], managementCommands(topology));
}

/** Builds every machine of the topology with its links and addresses. Ends with the first process; nothing is taken down. */
export async function buildNodes(topology: Topology, keep: readonly string[]): Promise<LabNode[]> {
  await mkdir(inside.namespaces, { recursive: true });
  const nodes = await Promise.all(topology.nodes.map((node) => buildNode(node, keep)));
  await batch([], linkCommands(topology));
  for (const node of nodes) await batch(node.enter, nodeCommands(topology, node));
  for (const node of nodes) for (const command of node.exec) await run([...node.enter, ...command]);
  return nodes;
}

async function buildNode(node: TopologyNode, keep: readonly string[]): Promise<LabNode> {
  const holder = spawn("unshare", ["--net", "--mount", "--uts", "sleep", "infinity"], { stdio: "ignore" });
  await Promise.race([
    once(holder, "spawn"),
    once(holder, "error").then(([cause]) => {
      throw new LabError("StartFailed", `cannot make namespaces for ${node.name}: ${cause}`, cause);
    }),
  ]);
  const pid = holder.pid!;
  await untilUnshared(node.name, pid);
  const enter = enterNode(pid);
  const handle = join(inside.namespaces, node.name);
  await writeFile(handle, "");
  await run(["mount", "--bind", `/proc/${pid}/ns/net`, handle]);
  await run([...enter, "hostname", node.name]);

  const scratch = join(inside.nodes, node.name);
  const image = node.kind === "frr" ? inside.frr : undefined;
  await privateFilesystem(scratch, enter, inside.originals, keep, image);
  for (const bind of node.binds) await bindInto(enter, bind);
  // A /run of its own; of the lab's one the node sees the kubeconfigs.
  await mkdir(join(scratch, "run", inside.kubeconfigs.slice("/run/".length)), { recursive: true });
  const credentials = join(scratch, inside.kubeconfigs);
  await run([...enter, "mount", "--bind", inside.kubeconfigs, credentials]);
  await run([...enter, "mount", "--rbind", join(scratch, "run"), "/run"]);
  await ownSysfs(enter);
  await applySysctls(enter);
  if (node.role === "worker") await installNetworkConfig(pid);
  if (node.kind === "frr") await prepareFrrMachine(node.name, enter, scratch);
  return { ...node, holder, enter };
}

/** What the agent's installer leaves on a real node: the configuration that tells the kubelet which plug-ins to call. */
async function installNetworkConfig(pid: number): Promise<void> {
  const directory = `/proc/${pid}/root/etc/cni/net.d`;
  await mkdir(directory, { recursive: true });
  await copyFile(networkConfig, join(directory, basename(networkConfig)));
}

/** `unshare` has done its work once the process has another network namespace than ours and has become `sleep`. */
async function untilUnshared(name: string, pid: number): Promise<void> {
  const ours = await readlink("/proc/self/ns/net");
  const deadline = Date.now() + 10_000;
  while (Date.now() < deadline) {
    const [theirs, program] = await Promise.all([
      readlink(`/proc/${pid}/ns/net`).catch(() => ours),
      readFile(`/proc/${pid}/comm`, "utf8").catch(() => ""),
    ]);
    if (theirs !== ours && program.trim() === "sleep") return;
    await new Promise((resolve) => setTimeout(resolve, 2));
  }
  throw new LabError("StartFailed", `namespaces of ${name} did not come up; is unshare permitted here?`);
}

async function applySysctls(enter: readonly string[]): Promise<void> {
  const assignments = Object.entries(namespaceSysctls).map(([key, value]) => `${key}=${value}`);
  await run([...enter, "sysctl", "--quiet", "--write", ...assignments]);
}

async function batch(enter: readonly string[], commands: readonly string[]): Promise<void> {
  await run([...enter, "ip", "-batch", "-"], { input: `${commands.join("\n")}\n` });
}
