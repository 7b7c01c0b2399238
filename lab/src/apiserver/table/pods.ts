import { isObject, listAt, numberAt, objectAt, stringAt } from "../json.ts";
import type { Column } from "../kinds/resource.ts";
import type { KubeObject } from "../objects.ts";
import { age } from "./cell.ts";

const statuses = (pod: KubeObject) => listAt(pod, "status", "containerStatuses").filter(isObject);

/** The Status column: the phase, unless a container or a deletion says more. */
export function podStatus(pod: KubeObject): string {
  let reason = stringAt(pod, "status", "reason") ?? stringAt(pod, "status", "phase") ?? "Unknown";
  let running = false;
  for (const status of [...statuses(pod)].reverse()) {
    const waiting = stringAt(status, "state", "waiting", "reason");
    const terminated = objectAt(status, "state", "terminated");
    if (waiting) reason = waiting;
    else if (terminated)
      reason =
        stringAt(terminated, "reason") ||
        (numberAt(terminated, "signal")
          ? `Signal:${numberAt(terminated, "signal")}`
          : `ExitCode:${numberAt(terminated, "exitCode") ?? 0}`);
    else if (status.ready === true && objectAt(status, "state", "running")) running = true;
  }
  if (reason === "Completed" && running) reason = "Running";
  if (pod.metadata.deletionTimestamp)
    return stringAt(pod, "status", "reason") === "NodeLost" ? "Unknown" : "Terminating";
  return reason;
}

const gates = (pod: KubeObject): string => {
  const wanted = listAt(pod, "spec", "readinessGates").map((gate) => stringAt(gate, "conditionType"));
  if (wanted.length === 0) return "<none>";
  const met = wanted.filter((type) =>
    listAt(pod, "status", "conditions").some(
      (c) => stringAt(c, "type") === type && stringAt(c, "status") === "True",
    ),
  );
  return `${met.length}/${wanted.length}`;
};

const restarts = (pod: KubeObject, now: number): string => {
  const total = statuses(pod).reduce((sum, status) => sum + (numberAt(status, "restartCount") ?? 0), 0);
  const last = statuses(pod)
    .map((status) => stringAt(status, "lastState", "terminated", "finishedAt") ?? "")
    .sort()
    .at(-1);
  return total > 0 && last ? `${total} (${age(last, now)} ago)` : String(total);
};

export const podColumns: readonly Column[] = [
  { name: "Name", type: "string", format: "name", jsonPath: ".metadata.name" },
  {
    name: "Ready",
    type: "string",
    cell: (pod) =>
      `${statuses(pod).filter((s) => s.ready === true).length}/${listAt(pod, "spec", "containers").length}`,
  },
  { name: "Status", type: "string", cell: podStatus },
  { name: "Restarts", type: "string", cell: restarts },
  { name: "Age", type: "string", cell: (pod, now) => age(pod.metadata.creationTimestamp, now) },
  { name: "IP", type: "string", priority: 1, cell: (pod) => stringAt(pod, "status", "podIP") ?? "<none>" },
  { name: "Node", type: "string", priority: 1, cell: (pod) => stringAt(pod, "spec", "nodeName") ?? "<none>" },
  {
    name: "Nominated Node",
    type: "string",
    priority: 1,
    cell: (pod) => stringAt(pod, "status", "nominatedNodeName") ?? "<none>",
  },
  { name: "Readiness Gates", type: "string", priority: 1, cell: gates },
];
