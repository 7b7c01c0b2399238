import { setTimeout as delay } from "node:timers/promises";
import {
  type ApiClient,
  controllerOf,
  getIfPresent,
  kinds,
  listAll,
  type Pod,
  type VirtualMachineInstanceMigration,
} from "@fairlead/api";
import type { Extension, ExtensionRequest } from "../../apiserver/index.ts";
import { isObject, type JsonObject, objectAt } from "../../apiserver/json.ts";
import type { KubeObject } from "../../apiserver/objects.ts";
import { notFound, StatusError } from "../../apiserver/status.ts";
import { perform } from "../controller/writer.ts";
import { faultsOf } from "../faults.ts";
import { labels } from "../names.ts";
import { decideAction, type VmAction, vmActions } from "./actions.ts";
import { isLauncher, judgeEviction } from "./eviction.ts";
import { prepareMigration, refusalOf } from "./migration-admission.ts";

/** Whose rights virt-api has. */
export const virtApiAccount = { serviceAccount: "kubevirt-apiserver", namespace: "kubevirt" } as const;

const group = "subresources.kubevirt.io";

/**
 * virt-api: `subresources.kubevirt.io`, and the say KubeVirt has in new migrations and in the eviction of its pods. It acts with
 * the rights of its own service account; whether the caller may ask was decided before.
 */
export function createVirtApi(connect: () => Promise<ApiClient>): Extension {
  return {
    group,
    versions: ["v1", "v1alpha3"],
    async answer(request) {
      const action = actionOf(request);
      if (action === undefined) return undefined;
      const client = await connect();
      const { namespace, name, body, dryRun } = request;
      const vm = await getIfPresent(client, kinds.VirtualMachine, { namespace, name });
      if (vm === undefined) throw notFound({ group: "kubevirt.io", plural: "virtualmachines" }, name);
      const vmi = await getIfPresent(client, kinds.VirtualMachineInstance, { namespace, name });
      const selector = isObject(body) ? stringsOf(objectAt(body, "addedNodeSelector")) : {};
      const decision = decideAction(action, {
        vm,
        vmi,
        ...(Object.keys(selector).length > 0 && { addedNodeSelector: selector }),
      });
      if ("conflict" in decision) throw refused(name, decision.conflict);
      if (!dryRun) await perform(client, decision.writes, "virt-api");
      return { code: 202 };
    },
    async beforeCreate(object, { group, plural, namespace }) {
      if (group !== "kubevirt.io" || plural !== "virtualmachineinstancemigrations") return object;
      const migration = prepareMigration(object as unknown as VirtualMachineInstanceMigration);
      const client = await connect();
      const vmiName = migration.spec.vmiName ?? "";
      const vmi = await getIfPresent(client, kinds.VirtualMachineInstance, { namespace, name: vmiName });
      const labelSelector = `${labels.vmiName}=${vmiName}`;
      const { items } = await listAll(client, kinds.VirtualMachineInstanceMigration, {
        namespace,
        labelSelector,
      });
      const refusal = refusalOf(migration, vmi, items);
      if (refusal !== undefined) throw denied("migration-create-validator", "BadRequest", refusal);
      await delay(faultsOf(migration.metadata.annotations).admissionMs ?? 0);
      return migration as unknown as KubeObject;
    },
    async beforeEviction(object, { dryRun }) {
      const pod = object as unknown as Pod;
      const owner = controllerOf(pod);
      if (!isLauncher(pod) || owner?.kind !== "VirtualMachineInstance") return;
      const client = await connect();
      const { namespace } = pod.metadata;
      const vmi = await getIfPresent(client, kinds.VirtualMachineInstance, { namespace, name: owner.name });
      const verdict = judgeEviction(pod, vmi?.metadata.uid === owner.uid ? vmi : undefined);
      if (verdict.allowed) return;
      if (verdict.mark && !dryRun) await perform(client, [verdict.mark], "virt-api");
      throw denied("virt-launcher-eviction-interceptor", "TooManyRequests", verdict.message);
    },
  };
}

const denied = (webhook: string, code: "BadRequest" | "TooManyRequests", why: string): StatusError =>
  new StatusError(code, `admission webhook "${webhook}.kubevirt.io" denied the request: ${why}`);

/** Labels as they were sent; what is no string is no label. */
function stringsOf(object: JsonObject | undefined): Record<string, string> {
  return Object.fromEntries(
    Object.entries(object ?? {}).flatMap(([key, value]) => (typeof value === "string" ? [[key, value]] : [])),
  );
}

function actionOf({ verb, plural, subresource, name }: ExtensionRequest): VmAction | undefined {
  if (verb !== "update" || plural !== "virtualmachines" || name === "") return undefined;
  return vmActions.find((action) => action === subresource);
}

const refused = (name: string, why: string): StatusError =>
  new StatusError(
    "Conflict",
    `Operation cannot be fulfilled on virtualmachine.kubevirt.io "${name}": ${why}`,
    {
      name,
      group: "kubevirt.io",
      kind: "virtualmachine",
    },
  );
