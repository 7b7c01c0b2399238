/**
 * The lab's first process: everything of the lab is below it, and the kernel removes everything when it ends.
 * Started by `lab up` in fresh pid, mount, network, uts and ipc namespaces.
 */
import { rmSync } from "node:fs";
import { mkdir } from "node:fs/promises";
import { parseArgs } from "node:util";
import { run } from "../command.ts";
import type { LabStatus, Request } from "../control/protocol.ts";
import { serveControl } from "../control/server.ts";
import { LabError } from "../error.ts";
import { frrTree } from "../frr/packages.ts";
import { readTopology } from "../topology/topology.ts";
import { bringUpCluster } from "./cluster.ts";
import { proportionalMemory } from "./memory.ts";
import { keepOriginals, ownSysfs, privateFilesystem } from "./mounts.ts";
import { buildManagementNetwork, buildNodes, type LabNode } from "./nodes.ts";
import { inside, kept, logDirectory, startFile, stateFile } from "./paths.ts";
import { routers, workers } from "./processes.ts";
import { onStarterGone, step, tell } from "./progress.ts";
import { untilNodesReady, untilSessionsStand } from "./readiness.ts";
import { Supervisor } from "./supervisor.ts";

const began = performance.now();
const { values } = parseArgs({ options: { topology: { type: "string" }, attached: { type: "boolean" } } });
let ready = false;
// Killed while it waited for us, it could not take us down; attached, we live no longer than it does.
onStarterGone(() => {
  if (ready && !values.attached) return;
  for (const file of [stateFile, startFile]) rmSync(file, { force: true });
  process.exit(1);
});
const topology = readTopology(values.topology ?? "");

const remarks: string[] = [];
const nodes = new Map<string, LabNode>();
const supervisor = new Supervisor({
  logDirectory,
  memoryOf: proportionalMemory,
  enter: (node) => {
    if (node === undefined) return [];
    const found = nodes.get(node);
    if (found === undefined) throw new LabError("UnknownNode", `there is no node ${node}`);
    return found.enter;
  },
});
let readyAt = performance.now();

await step("own filesystem and network", async () => {
  await run(["mount", "-t", "tmpfs", "-o", "mode=755", "tmpfs", "/run"]);
  // Bound into every node; filled while these are made.
  await mkdir(inside.kubeconfigs, { recursive: true });
  await keepOriginals(inside.originals);
  if (topology.nodes.some(({ kind }) => kind === "frr")) {
    // Below a path without the characters that part overlay's options.
    await mkdir(inside.frr);
    await run(["mount", "--bind", frrTree, inside.frr]);
  }
  await privateFilesystem(inside.directory, [], inside.originals, kept);
  const remark = await ownSysfs([]);
  if (remark !== undefined) remarks.push(`no /sys of its own: ${remark}`);
  await run(["hostname", topology.name]);
  await buildManagementNetwork(topology);
});
await serveControl(inside.control, handle);
// Mounts and links wait for the kernel, the API server for its processor: neither for the other.
await Promise.all([bringUpMachines(), bringUpCluster(topology, supervisor, remarks)]);
await step("workers", async () => {
  for (const spec of workers(topology)) supervisor.add(spec);
  await untilNodesReady(workerNodes());
});
if (supervisor.status().some((p) => p.name.endsWith("/fairlead-node") && p.state !== "absent"))
  await step("BGP sessions", () => untilSessionsStand(workerNodes()));
readyAt = performance.now();
ready = true;
tell({ event: "ready", milliseconds: Math.round(readyAt - began) });

async function bringUpMachines(): Promise<void> {
  await step("machines and links", async () => {
    for (const node of await buildNodes(topology, kept)) nodes.set(node.name, node);
  });
  await step("routers", async () => {
    for (const spec of routers(topology)) supervisor.add(spec);
  });
}

function workerNodes(): LabNode[] {
  return [...nodes.values()].filter((node) => node.role === "worker");
}

function status(): LabStatus {
  const processes = supervisor.status();
  return {
    topology: topology.name,
    uptime: Math.round(performance.now() - readyAt),
    nodes: [...nodes.values()].map(({ name, role, holder }) => ({ name, role, pid: holder.pid! })),
    processes,
    memory: processes.reduce((sum, p) => sum + p.memory, proportionalMemory(process.pid)),
    remarks,
  };
}

function handle(request: Request): object {
  switch (request.method) {
    case "status":
      return status();
    case "kill":
      return { pid: supervisor.kill(request.process, request.signal as NodeJS.Signals) };
    case "restart":
      supervisor.restart(request.process);
      return {};
    case "stop":
      supervisor.stop(request.process);
      return {};
    case "down":
      supervisor.stopAll();
      // The answer goes out, then everything ends at once: the kernel kills what is left in the pid namespace.
      setTimeout(() => process.exit(0), 200);
      return {};
  }
}
