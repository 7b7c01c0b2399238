import { type ApiClient, controllerOf, getIfPresent, kinds, type Pod } from "@fairlead/api";
import type { Extension, ExtensionRequest } from "../../apiserver/index.ts";
import { isObject, type JsonObject, objectAt } from "../../apiserver/json.ts";
import { notFound, StatusError } from "../../apiserver/status.ts";
import { perform } from "../controller/writer.ts";
import { decideAction, type VmAction, vmActions } from "./actions.ts";
import { isLauncher, judgeEviction } from "./eviction.ts";

/** Whose rights virt-api has. */
export const virtApiAccount = { serviceAccount: "kubevirt-apiserver", namespace: "kubevirt" } as const;

const group = "subresources.kubevirt.io";

/**
 * virt-api: `subresources.kubevirt.io`, and the say KubeVirt has in the eviction of its pods. It acts with the rights of its own service account;
 * whether the caller may ask was decided before.
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
      throw new StatusError(
        "TooManyRequests",
        `admission webhook "virt-launcher-eviction-interceptor.kubevirt.io" denied the request: ${verdict.message}`,
      );
    },
  };
}

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
