/** `node migrate-main.ts --kubeconfig FILE [--to NODE] [--json] VM`: asks for a migration and waits for its end. */
import { setTimeout as delay } from "node:timers/promises";
import { parseArgs } from "node:util";
import { ApiError, createApiClient, getIfPresent, kinds, listAll } from "@fairlead/api";
import { LabError, messageOf } from "../error.ts";
import { objectionTo } from "./migration-request.ts";
import { isFinal } from "./status.ts";
import { parseVmName } from "./vm-name.ts";

const pollMs = 50;

const { values, positionals } = parseArgs({
  options: { kubeconfig: { type: "string" }, to: { type: "string" }, json: { type: "boolean" } },
  allowPositionals: true,
});
if (!values.kubeconfig || positionals.length !== 1) {
  process.stderr.write("usage: migrate-main.ts --kubeconfig FILE [--to NODE] [--json] VM\n");
  process.exit(2);
}
const { namespace, name } = parseVmName(positionals[0]!);
const client = createApiClient({ kubeconfig: values.kubeconfig });
try {
  const objection = objectionTo({
    namespace,
    name,
    to: values.to,
    vms: (await listAll(client, kinds.VirtualMachine, { namespace })).items,
    vmi: await findVmi(),
    nodes: (await listAll(client, kinds.Node)).items,
    migrations: (await listAll(client, kinds.VirtualMachineInstanceMigration, { namespace })).items,
  });
  if (objection !== undefined) throw new LabError("BadRequest", objection);
  const migration = await client.create(kinds.VirtualMachineInstanceMigration, {
    metadata: { generateName: `kubevirt-migrate-vm-${name}-`, namespace },
    spec: { vmiName: name, ...(values.to && { addedNodeSelector: { "kubernetes.io/hostname": values.to } }) },
  });
  const ref = { namespace, name: migration.metadata.name };
  let shown = "";
  for (;;) {
    const { status } = await client.get(kinds.VirtualMachineInstanceMigration, ref);
    const phase = status?.phase ?? "";
    if (phase !== shown && !values.json) process.stderr.write(`  ${phase}\n`);
    shown = phase;
    if (isFinal(phase)) break;
    await delay(pollMs);
  }
  process.exitCode = shown === "Succeeded" ? 0 : 1;
  const events = await client.list(kinds.Event, { namespace });
  const why = events.items.findLast(
    ({ involvedObject, type }) => involvedObject.uid === migration.metadata.uid && type === "Warning",
  )?.message;
  const vmi = await findVmi();
  const result = {
    migration: ref.name,
    phase: shown,
    node: vmi?.status?.nodeName,
    ...(why && { reason: why }),
  };
  if (values.json) process.stdout.write(`${JSON.stringify(result)}\n`);
  else process.stdout.write(`${namespace}/${name} is on ${result.node}${why ? `: ${why}` : ""}\n`);
} catch (error) {
  if (!(error instanceof ApiError || error instanceof LabError)) throw error;
  process.stderr.write(`lab: ${messageOf(error)}\n`);
  process.exitCode = 1;
} finally {
  await client.close();
}

function findVmi() {
  return getIfPresent(client, kinds.VirtualMachineInstance, { namespace, name });
}
