import type { VirtualMachineInstance } from "@fairlead/api";
import { expect, it } from "vitest";
import { migrationFixture, runningVmi } from "../vmi-fixture.ts";
import { prepareMigration, refusalOf } from "./migration-admission.ts";

const migration = migrationFixture(undefined, { name: "move", labels: { a: "b" }, finalizers: [] });

it("a new migration gets KubeVirt's finalizer and the label with its VMI's name, once", () => {
  const prepared = prepareMigration(migration);
  expect(prepared.metadata).toMatchObject({
    labels: { a: "b", "kubevirt.io/vmi-name": "vm" },
    finalizers: ["kubevirt.io/migrationJobFinalize"],
  });
  expect(prepareMigration(prepared).metadata.finalizers).toHaveLength(1);
});

const cannot = {
  conditions: [{ type: "LiveMigratable", status: "False" as const, reason: "R", message: "M" }],
};
it.each<[what: string, vmi: VirtualMachineInstance | undefined, text: RegExp]>([
  ["no VMI", undefined, /^the VMI "default\/vm" does not exist$/],
  ["an ended VMI", runningVmi("node-a", { phase: "Failed" }), /finalized state/],
  ["a VMI that cannot migrate", runningVmi("node-a", cannot), /^Cannot migrate VMI, Reason: R, Message: M$/],
])("%s is refused in KubeVirt's words", (_what, vmi, text) => {
  expect(refusalOf(migration, vmi, [])).toMatch(text);
});

it("a second migration of the same VMI is refused while the first lives", () => {
  const first = (phase: string) => migrationFixture(phase, { name: "first", uid: "first-uid" });
  expect(refusalOf(migration, runningVmi(), [first("Running")])).toContain(
    "Active migration job (first-uid) is currently already in progress",
  );
  expect(refusalOf(migration, runningVmi(), [first("Succeeded"), first("Failed")])).toBeUndefined();
});
