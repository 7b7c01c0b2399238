import type { KubeObject } from "../objects.ts";
import { parseFieldSelector } from "../selectors/fields.ts";
import { type Labels, type Predicate, parseLabelSelector } from "../selectors/labels.ts";
import { badRequest, StatusError } from "../status.ts";
import type { Stored } from "../storage/change.ts";
import type { Api, Call } from "./api.ts";

/** Which objects of a resource a request asks for. */
export interface Selection {
  /** Undefined: all. */
  readonly matches: Predicate<KubeObject> | undefined;
  readonly prefix: string;
}

export function parseSelection(call: Call, query: URLSearchParams): Selection {
  const labels: Predicate<Labels> | undefined = parseLabelSelector(query.get("labelSelector"));
  const fields = parseFieldSelector(query.get("fieldSelector"), call.resource.selectableFields);
  const prefix = call.namespace === "" ? "" : `${call.namespace}/`;
  if (!labels && !fields) return { matches: undefined, prefix };
  return {
    prefix,
    matches: (object) => (labels?.(object.metadata.labels ?? {}) ?? true) && (fields?.(object) ?? true),
  };
}

export interface Page {
  readonly items: readonly Stored[];
  readonly version: number;
  readonly continue?: string;
  readonly remaining?: number;
}

interface Continue {
  readonly v: "meta.k8s.io/v1";
  readonly rv: number;
  readonly start: string;
}

function parseContinue(token: string): Continue {
  try {
    return JSON.parse(Buffer.from(token, "base64url").toString()) as Continue;
  } catch {
    throw badRequest("continue key is not valid: start the list again");
  }
}

/** One page of a consistent list: every page shows the objects as they were at the first page's version. */
export function list(api: Api, call: Call, query: URLSearchParams): Page {
  const selection = parseSelection(call, query);
  const collection = api.objects(call.resource);
  const limit = Number(query.get("limit") ?? 0);
  const token = query.get("continue");
  const after = token ? parseContinue(token) : undefined;
  const exact =
    query.get("resourceVersionMatch") === "Exact" ? Number(query.get("resourceVersion")) : undefined;
  const asked = Number(query.get("resourceVersion") ?? 0);
  if (!after && exact === undefined && asked > api.store.version)
    throw new StatusError("Timeout", `Too large resource version: ${asked}, current: ${api.store.version}`, {
      causes: [{ reason: "ResourceVersionTooLarge", message: "Too large resource version" }],
      retryAfterSeconds: 1,
    });
  const version = after?.rv ?? exact ?? api.store.version;
  const all = version === api.store.version ? collection.sorted() : collection.sortedAt(version);
  if (all === undefined)
    throw new StatusError(
      "Expired",
      after
        ? "The provided continue parameter is too old to display a consistent list result. You can start a new list without the continue parameter."
        : `The resourceVersion for the provided list is too old: ${version}`,
    );
  const wanted = all.filter(
    (stored) =>
      stored.key.startsWith(selection.prefix) &&
      (after === undefined || stored.key > after.start) &&
      (selection.matches === undefined || selection.matches(stored.object)),
  );
  if (limit <= 0 || wanted.length <= limit) return { items: wanted, version };
  const items = wanted.slice(0, limit);
  const next: Continue = { v: "meta.k8s.io/v1", rv: version, start: items.at(-1)!.key };
  return {
    items,
    version,
    continue: Buffer.from(JSON.stringify(next)).toString("base64url"),
    ...(selection.matches ? {} : { remaining: wanted.length - limit }),
  };
}
