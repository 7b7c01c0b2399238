import { execFileSync } from "node:child_process";
import { kinds } from "@fairlead/api";
import { afterAll, beforeAll, expect, test } from "vitest";
import { configureMigrations } from "./configure-migrations.ts";
import type { Faults } from "./faults.ts";
import { annotations } from "./names.ts";
import { TinyCluster, until } from "./tiny-cluster.ts";
import { watchVmi } from "./vmi-changes.ts";

let cluster: TinyCluster;
let bootId: string;

beforeAll(async () => {
  cluster = await TinyCluster.start();
  bootId = await cluster.startVm();
});
afterAll(() => cluster?.stop());

const postCopy = { allowPostCopy: true, completionTimeoutPerGiB: 1 };
const slowly: Faults = { bandwidth: 1 << 20, postCopyBandwidth: 16 << 20 };

const untilSwitched = () =>
  cluster.untilVmi("the switch", ({ status }) => status?.migrationState?.mode === "PostCopy");

test("a copy that takes too long becomes a post-copy where that is allowed, and cannot be aborted any more", async () => {
  await using _ = await configureMigrations(cluster.client, postCopy);
  const changes = watchVmi(cluster.client);
  const migration = await cluster.migrate(slowly);
  const vmi = await untilSwitched();
  expect(vmi.status).toMatchObject({ phase: "Running", nodeName: "node-a" });
  expect(vmi.status?.migrationState?.targetNodeDomainReadyTimestamp).toBeUndefined();
  const { name } = migration.metadata;
  await cluster.client.delete(kinds.VirtualMachineInstanceMigration, { namespace: "default", name });
  expect(await cluster.untilGuestAnswers()).toBe(bootId);
  const moved = await cluster.untilVmi("its memory to be there", ({ status }) =>
    Boolean(status?.migrationState?.completed),
  );
  expect(moved.status).toMatchObject({
    nodeName: "node-b",
    migrationState: { mode: "PostCopy", abortRequested: true },
  });
  expect(moved.status?.migrationState?.failed).toBeUndefined();
  await until("the migration's object to go", async () => (await cluster.find(migration)) === undefined);
  const steps = (await changes.stop()).filter((step) => step !== "noAddress");
  expect(steps.slice(3)).toEqual([
    "postCopy",
    "targetNodeDomainDetected targetNodeDomainReadyTimestamp endTimestamp nodeName label",
    "completed",
  ]);
  await cluster.untilAlone();
});

test("with separate reports the target's arrival is told at the switch, and its pod's annotation with it", async () => {
  await using _ = await configureMigrations(cluster.client, postCopy);
  const migration = await cluster.migrate({ ...slowly, separateReports: true });
  const vmi = await cluster.untilVmi("the guest to run there", ({ status }) =>
    Boolean(
      status?.migrationState?.migrationUid === migration.metadata.uid &&
        status?.migrationState?.targetNodeDomainReadyTimestamp,
    ),
  );
  expect(vmi.status).toMatchObject({ phase: "Running", nodeName: "node-b" });
  await until("the annotation for the network", async () =>
    (await cluster.livingPods()).some(
      ({ metadata, spec }) => spec.nodeName === "node-a" && metadata.annotations?.[annotations.targetReady],
    ),
  );
  expect((await cluster.untilEnd(migration)).status?.phase).toBe("Succeeded");
  await cluster.untilAlone();
});

test("a post-copy that breaks after its switch fails the VMI, and the VM starts another", async () => {
  await using _ = await configureMigrations(cluster.client, postCopy);
  const before = await cluster.vmi();
  const changes = watchVmi(cluster.client);
  const migration = await cluster.migrate({ ...slowly, breakAfterSwitchMs: 0 });
  expect((await cluster.untilEnd(migration)).status?.phase).toBe("Failed");
  await cluster.untilVmi(
    "the next VMI to run",
    ({ metadata, status }) => metadata.uid !== before.metadata.uid && status?.phase === "Running",
  );
  expect(await changes.stop()).toContain("endTimestamp completed failed phaseFailed");
  // Another pod's MAC behind the same address: what is still known of the old one would only cost time.
  execFileSync("nsenter", [`--net=${cluster.outside}`, "--", "ip", "neighbour", "flush", "all"]);
  expect(await cluster.untilGuestAnswers()).not.toBe(bootId);
  expect(await cluster.livingPods()).toHaveLength(1);
});
