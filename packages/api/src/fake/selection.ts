import { ApiError } from "../error.ts";
import { parseLabelSelector } from "../label-selector.ts";
import type { KubernetesObject } from "../object.ts";

export interface Selection {
  readonly namespace?: string | undefined;
  readonly labelSelector?: string | undefined;
  readonly fieldSelector?: string | undefined;
}

/** Whether an object belongs to a list or watch. Fields may be any dotted path. */
export function selects(selection: Selection): (object: KubernetesObject) => boolean {
  const labels = parseLabelSelector(selection.labelSelector);
  const fields = parseFieldSelector(selection.fieldSelector);
  const { namespace } = selection;
  return (object) =>
    (namespace === undefined || object.metadata.namespace === namespace) &&
    labels(object.metadata.labels) &&
    fields.every((field) => field(object));
}

function parseFieldSelector(text = ""): ((object: KubernetesObject) => boolean)[] {
  return text
    .split(",")
    .filter((term) => term !== "")
    .map((term) => {
      const match = /^([^=!]+)(==|=|!=)(.*)$/.exec(term);
      if (!match) throw new ApiError("BadRequest", `field selector: cannot read "${term}"`);
      const [, path = "", operator, value = ""] = match;
      const steps = path.trim().split(".");
      return (object) => (valueAt(object, steps) === value.trim()) !== (operator === "!=");
    });
}

function valueAt(object: unknown, steps: readonly string[]): string {
  let node = object;
  for (const step of steps)
    node = typeof node === "object" && node !== null ? (node as Record<string, unknown>)[step] : undefined;
  return node === undefined || node === null ? "" : String(node);
}
