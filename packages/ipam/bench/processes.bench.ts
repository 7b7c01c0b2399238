import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { setTimeout as delay } from "node:timers/promises";
import { createApiClient, kinds } from "@fairlead/api";
import type { Bench } from "../../../scripts/bench.ts";
import { createKubernetesStore } from "../src/index.ts";
import { findViolations } from "../src/violations.ts";
import { startServer } from "./api-server.ts";

export type Report =
  | {
      readonly type: "got";
      readonly id: string;
      readonly address: string;
      readonly called: number;
      readonly answered: number;
    }
  | { readonly type: "leaving"; readonly id: string; readonly address: string; readonly at: number }
  | { readonly type: "vm"; readonly id: string; readonly address: string };

interface Hold {
  readonly id: string;
  readonly from: number;
  until: number;
}

/**
 * Linearizability of a history of real processes, some killed with SIGKILL. An address is a lock: each holder certainly has it from the
 * answer of its ADD to the call of its DEL. A history of locks is linearizable exactly if these spans never overlap (take the lock at the
 * answer, give it back at the call). A holder that was killed keeps its address, since nobody collects here.
 */
export default async function processes(bench: Bench): Promise<void> {
  await using server = await startServer();
  const client = createApiClient({ kubeconfig: server.kubeconfig });
  await client.create(kinds.IPPool, {
    metadata: { name: "pool" },
    spec: { cidr: "10.0.0.0/22", blockSize: 28 },
  });
  const holds = new Map<string, Hold[]>();
  const vms = new Map<string, Set<string>>();
  let calls = 0;
  let killed = 0;
  const hear = (report: Report) => {
    calls++;
    if (report.type === "vm") vms.set(report.id, (vms.get(report.id) ?? new Set()).add(report.address));
    if (report.type === "got")
      holds.set(report.address, [
        ...(holds.get(report.address) ?? []),
        { id: report.id, from: report.answered, until: Number.POSITIVE_INFINITY },
      ]);
    if (report.type !== "leaving") return;
    const hold = holds.get(report.address)?.find(({ id }) => id === report.id);
    if (hold) hold.until = report.at;
  };
  const start = (node: string, incarnation: number): ChildProcess => {
    const child = fork(new URL("./process.child.ts", import.meta.url), [
      server.kubeconfig,
      node,
      String(incarnation),
    ]);
    child.on("message", hear);
    return child;
  };
  const nodes = ["node-1", "node-2", "node-3", "node-4"];
  const children = nodes.map((node) => start(node, 0));
  for (let round = 1; round <= 12; round++) {
    await delay(1500);
    const victim = round % nodes.length;
    const gone = once(children[victim]!, "exit");
    children[victim]!.kill("SIGKILL");
    await gone;
    killed++;
    children[victim] = start(nodes[victim]!, round);
  }
  await delay(1500);
  await Promise.all(
    children.map(async (child) => {
      const gone = once(child, "exit");
      child.kill("SIGKILL");
      await gone;
    }),
  );
  let overlaps = 0;
  for (const list of holds.values()) {
    list.sort((a, b) => a.from - b.from);
    for (let i = 1; i < list.length; i++) if (list[i]!.from < list[i - 1]!.until) overlaps++;
  }
  const violations = await findViolations(createKubernetesStore({ client }));
  await client.close();
  bench.report({ name: "calls answered by processes", value: calls, unit: "" });
  bench.report({ name: "processes killed with SIGKILL", value: killed + nodes.length, unit: "" });
  bench.report({ name: "addresses held by two at once", value: overlaps, unit: "" });
  bench.report({
    name: "VMs told more than one address",
    value: [...vms.values()].filter(({ size }) => size > 1).length,
    unit: "",
  });
  bench.report({ name: "violations left in the store", value: violations.length, unit: "" });
  if (overlaps > 0 || violations.length > 0) throw new Error(violations.join("\n"));
}
