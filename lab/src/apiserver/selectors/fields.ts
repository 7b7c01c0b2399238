import { at, type Json } from "../json.ts";
import type { KubeObject } from "../objects.ts";
import { badRequest, StatusError } from "../status.ts";
import type { Predicate } from "./labels.ts";

const always = ["metadata.name", "metadata.namespace"];

const shown = (value: Json | undefined): string =>
  value === undefined || value === null ? "" : String(value);

/**
 * Parses `spec.nodeName=a,metadata.name!=b`. Only the fields a resource declares may be used, as in a real server.
 * Undefined: everything matches.
 */
export function parseFieldSelector(
  selector: string | null,
  selectable: readonly string[],
): Predicate<KubeObject> | undefined {
  if (selector === null || selector.trim() === "") return undefined;
  const requirements = selector.split(",").map((text): Predicate<KubeObject> => {
    const match = /^\s*([^=!]+?)\s*(==|=|!=)\s*(.*?)\s*$/.exec(text);
    if (!match)
      throw badRequest(
        `invalid selector: ${JSON.stringify(text)}; can't understand ${JSON.stringify(text.trim())}`,
      );
    const [, field, operator, value] = match as unknown as [string, string, string, string];
    if (!always.includes(field) && !selectable.includes(field))
      throw new StatusError("BadRequest", `field label not supported: ${field}`);
    const path = field.split(".");
    const wanted = operator !== "!=";
    return (object) => (shown(at(object, ...path)) === value) === wanted;
  });
  return (object) => requirements.every((matches) => matches(object));
}
