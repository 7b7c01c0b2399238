import type { Json } from "../json.ts";
import { isObject, listAt, numberAt, objectAt, stringAt } from "../json.ts";
import { matchLabelSelector } from "../selectors/labels.ts";
import { StatusError } from "../status.ts";
import type { Api, Call } from "./api.ts";
import { parseDeleteOptions, remove } from "./delete.ts";
import type { Reply } from "./reply.ts";
import { requireStored } from "./stored.ts";

/** Eviction: a deletion that asks the pod's disruption budgets first. 429 when a budget is used up. */
export function evict(api: Api, call: Call, body: Json | undefined): Reply {
  const pod = requireStored(api, call).object;
  const phase = stringAt(pod, "status", "phase");
  const ready = listAt(pod, "status", "conditions").some(
    (c) => stringAt(c, "type") === "Ready" && stringAt(c, "status") === "True",
  );
  if (ready && phase === "Running") {
    for (const budget of api.list("policy/poddisruptionbudgets", call.namespace)) {
      if (!matchLabelSelector(objectAt(budget, "spec", "selector"))(pod.metadata.labels ?? {})) continue;
      if ((numberAt(budget, "status", "disruptionsAllowed") ?? 0) > 0) continue;
      throw new StatusError(
        "TooManyRequests",
        "Cannot evict pod as it would violate the pod's disruption budget.",
        {
          causes: [
            {
              reason: "DisruptionBudget",
              message: `The disruption budget ${budget.metadata.name} needs ${numberAt(budget, "status", "desiredHealthy") ?? 0} healthy pods and has ${numberAt(budget, "status", "currentHealthy") ?? 0} currently`,
            },
          ],
        },
      );
    }
  }
  const options = isObject(body) ? objectAt(body, "deleteOptions") : undefined;
  remove(api, call, parseDeleteOptions(options, new URLSearchParams()));
  return {
    code: 201,
    json: { kind: "Status", apiVersion: "v1", metadata: {}, status: "Success", code: 201 },
  };
}
