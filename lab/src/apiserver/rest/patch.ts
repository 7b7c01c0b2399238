import { copyJson, isObject, type Json } from "../json.ts";
import { apiVersionOf } from "../kinds/resource.ts";
import { applyJsonPatch } from "../patch/json-patch.ts";
import { applyMergePatch } from "../patch/merge-patch.ts";
import { applyStrategicPatch } from "../patch/strategic.ts";
import { badRequest, StatusError } from "../status.ts";
import type { Stored } from "../storage/change.ts";
import { decode } from "./admit.ts";
import type { Api, Call } from "./api.ts";
import { requireStored } from "./stored.ts";
import { inVersion, update } from "./update.ts";

export const patchTypes = [
  "application/json-patch+json",
  "application/merge-patch+json",
  "application/strategic-merge-patch+json",
  "application/apply-patch+yaml",
];

/** Changes an object by a JSON, merge or strategic merge patch. */
export function patch(api: Api, call: Call, body: Json | undefined, type: string): Stored {
  if (body === undefined) throw badRequest("the patch is empty");
  const stored = requireStored(api, call);
  const current = inVersion(stored.object, apiVersionOf(call.resource));
  const object = decode(call, patched(call, current, body, type));
  const { resourceVersion } = object.metadata;
  // A patch that does not name a version applies to whatever is there.
  if (!isObject(body) || !isObject(body.metadata) || body.metadata.resourceVersion === undefined)
    if (type !== "application/json-patch+json" || resourceVersion === undefined)
      object.metadata.resourceVersion = current.metadata.resourceVersion!;
  return update(api, call, object);
}

function patched(call: Call, current: Json, body: Json, type: string): Json {
  switch (type) {
    case "application/json-patch+json":
      return applyJsonPatch(current, body);
    case "application/merge-patch+json":
      return applyMergePatch(current, body);
    case "application/strategic-merge-patch+json":
      if (call.resource.custom) break;
      return applyStrategicPatch(call.resource.schema(), current, copyJson(body));
  }
  const accepted = call.resource.custom ? patchTypes.filter((t) => !t.includes("strategic")) : patchTypes;
  throw new StatusError(
    "UnsupportedMediaType",
    `the body of the request was in an unknown format - accepted media types include: ${accepted.join(", ")}`,
  );
}
