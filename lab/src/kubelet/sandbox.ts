import { randomBytes } from "node:crypto";
import { existsSync, statSync } from "node:fs";
import { basename } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { run } from "../command.ts";
import { processesInNetns, sendSignal } from "../process.ts";

/** A new sandbox ID: 64 hexadecimal digits, as the container runtimes make them. */
export function newContainerId(): string {
  return randomBytes(32).toString("hex");
}

/** Makes a network namespace with its loopback up and returns its path. */
export async function createNetns(containerId: string): Promise<string> {
  const name = `cni-${containerId.slice(0, 16)}`;
  await run(["ip", "netns", "add", name]);
  await run(["ip", "-n", name, "link", "set", "lo", "up"]);
  return `/run/netns/${name}`;
}

/** Kills whatever still runs in the namespace and waits until it is gone. */
export async function emptyNetns(path: string, patience = 5_000): Promise<void> {
  if (!existsSync(path)) return;
  const namespace = `net:[${statSync(path).ino}]`;
  const deadline = Date.now() + patience;
  for (;;) {
    const left = processesInNetns(namespace);
    if (left.length === 0) return;
    if (Date.now() > deadline) throw new Error(`processes ${left.join(", ")} in ${path} do not end`);
    for (const pid of left) sendSignal(pid, "SIGKILL");
    await delay(10);
  }
}

export async function removeNetns(path: string): Promise<void> {
  if (existsSync(path)) await run(["ip", "netns", "delete", basename(path)]);
}
