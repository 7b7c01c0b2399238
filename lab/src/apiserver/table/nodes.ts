import { listAt, objectAt, stringAt } from "../json.ts";
import type { Column } from "../kinds/resource.ts";
import type { KubeObject } from "../objects.ts";
import { age } from "./cell.ts";

const address = (node: KubeObject, type: string): string =>
  stringAt(
    listAt(node, "status", "addresses").find((a) => stringAt(a, "type") === type),
    "address",
  ) ?? "<none>";

const rolePrefix = "node-role.kubernetes.io/";

function roles(node: KubeObject): string {
  const found = Object.keys(node.metadata.labels ?? {})
    .filter((label) => label.startsWith(rolePrefix))
    .map((label) => label.slice(rolePrefix.length));
  return found.length === 0 ? "<none>" : found.sort().join(",");
}

function status(node: KubeObject): string {
  const ready = listAt(node, "status", "conditions").find((c) => stringAt(c, "type") === "Ready");
  const state = ready === undefined ? "Unknown" : stringAt(ready, "status") === "True" ? "Ready" : "NotReady";
  return objectAt(node, "spec")?.unschedulable === true ? `${state},SchedulingDisabled` : state;
}

const info = (title: string, field: string): Column => ({
  name: title,
  type: "string",
  priority: 1,
  cell: (node) => stringAt(node, "status", "nodeInfo", field) || "<unknown>",
});

export const nodeColumns: readonly Column[] = [
  { name: "Name", type: "string", format: "name", jsonPath: ".metadata.name" },
  { name: "Status", type: "string", cell: status },
  { name: "Roles", type: "string", cell: roles },
  { name: "Age", type: "string", cell: (node, now) => age(node.metadata.creationTimestamp, now) },
  {
    name: "Version",
    type: "string",
    cell: (node) => stringAt(node, "status", "nodeInfo", "kubeletVersion") ?? "",
  },
  { name: "Internal-IP", type: "string", priority: 1, cell: (node) => address(node, "InternalIP") },
  { name: "External-IP", type: "string", priority: 1, cell: (node) => address(node, "ExternalIP") },
  info("OS-Image", "osImage"),
  info("Kernel-Version", "kernelVersion"),
  info("Container-Runtime", "containerRuntimeVersion"),
];
