import type {
  Node,
  VirtualMachine,
  VirtualMachineInstance,
  VirtualMachineInstanceMigration,
} from "@fairlead/api";
import { expect, it } from "vitest";
import { type MigrationRequest, objectionTo } from "./migration-request.ts";

const apiVersion = "kubevirt.io/v1";
const metadata = { name: "vm1", namespace: "default" };
const vm: VirtualMachine = { apiVersion, kind: "VirtualMachine", metadata, spec: {} };
const vmiIn = (status: VirtualMachineInstance["status"]): VirtualMachineInstance => ({
  apiVersion,
  kind: "VirtualMachineInstance",
  metadata,
  spec: {},
  ...(status && { status }),
});
const vmi = vmiIn({ phase: "Running", nodeName: "node1" });
const node = (name: string): Node => ({ apiVersion: "v1", kind: "Node", metadata: { name } });
const migration = (phase: string): VirtualMachineInstanceMigration => ({
  apiVersion,
  kind: "VirtualMachineInstanceMigration",
  metadata: { name: "m1", namespace: "default" },
  spec: { vmiName: "vm1" },
  status: { phase },
});
const request: MigrationRequest = {
  ...metadata,
  to: undefined,
  vms: [vm],
  vmi,
  nodes: [node("node1"), node("node2")],
  migrations: [],
};

it("nothing speaks against moving a VM that runs, to a node of choice or any", () => {
  expect(objectionTo(request)).toBeUndefined();
  expect(objectionTo({ ...request, to: "node2", migrations: [migration("Succeeded")] })).toBeUndefined();
});

const notMigratable = { type: "LiveMigratable", status: "False" as const, message: "no annotation" };
it.each<[what: string, change: Partial<MigrationRequest>, says: RegExp]>([
  [
    "a VM that does not exist",
    { name: "vm2", vmi: undefined },
    /^there is no VM default\/vm2; .* there are: vm1$/,
  ],
  ["no VM at all", { vms: [], vmi: undefined }, /there are: none$/],
  ["a stopped VM", { vmi: undefined }, /does not run, it is stopped; start it: .*runStrategy/],
  ["one that starts", { vmi: vmiIn({ phase: "Scheduling" }) }, /it is Scheduling; wait until it runs$/],
  ["one that ended", { vmi: vmiIn({ phase: "Failed" }) }, /it is Failed; start it/],
  ["a node that does not exist", { to: "node9" }, /^there is no node node9; there are: node1, node2$/],
  ["the node it runs on", { to: "node1" }, /runs on node1 already; .*--to node2$/],
  [
    "a VM that may not migrate",
    { vmi: vmiIn({ phase: "Running", nodeName: "node1", conditions: [notMigratable] }) },
    /cannot migrate: no annotation/,
  ],
  [
    "a VM that migrates",
    { migrations: [migration("Running")] },
    /is migrating already \(m1\); .*delete vmim m1/,
  ],
])("%s is named, with what to do", (_what, change, says) => {
  expect(objectionTo({ ...request, ...change })).toMatch(says);
});
