import type { IncomingMessage, ServerResponse } from "node:http";
import { type Json, stringifyJson } from "../json.ts";
import { apiVersionOf } from "../kinds/resource.ts";
import { badRequest, StatusError } from "../status.ts";
import type { Change, ChangeType, Stored } from "../storage/change.ts";
import { columnDefinitions, metadataOnly, tableRow } from "../table/table.ts";
import { decode } from "./admit.ts";
import { type Api, type Call, keyOf } from "./api.ts";
import { apply } from "./apply.ts";
import { mediaType, parseBody, parseJsonBody, parseYamlBody, readBody } from "./body.ts";
import { create } from "./create.ts";
import { parseDeleteOptions, remove, removeAll } from "./delete.ts";
import type { Extension } from "./extension.ts";
import { list, parseSelection } from "./list.ts";
import { negotiate } from "./negotiate.ts";
import { patch } from "./patch.ts";
import { objectShapes, type Reply } from "./reply.ts";
import { requireStored } from "./stored.ts";
import { update } from "./update.ts";
import { type Encoder, watch } from "./watch.ts";

export interface ResourceRequest {
  readonly call: Call;
  readonly verb: string;
  readonly query: URLSearchParams;
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
}

/** Carries out a request on a resource or its status. Undefined: the answer is a stream and already under way. */
export async function handleResource(
  api: Api,
  { call, verb, query, request, response }: ResourceRequest,
  around: {
    readonly extensions: readonly Extension[];
    readonly bookmarkIntervalMs: number;
    readonly signal: AbortSignal;
  },
): Promise<Reply | undefined> {
  const { resource } = call;
  switch (verb) {
    case "get":
      return { resource, object: requireStored(api, call) };
    case "list":
      return {
        resource,
        page: list(api, call, query),
        ...(query.get("includeObject") ? { includeObject: query.get("includeObject")! } : {}),
      };
    case "watch":
      watch(api, call, query, encoderFor(api, call, request, query), response, around);
      return undefined;
    case "create": {
      let object = decode(call, await body(request));
      const about = { group: resource.group, plural: resource.plural, namespace: call.namespace };
      for (const extension of around.extensions) object = await extension.beforeCreate(object, about);
      return { code: 201, resource, object: create(api, call, object) };
    }
    case "update": {
      const object = decode(call, await body(request));
      const exists = api.objects(resource).get(keyOf(call.namespace, call.name)) !== undefined;
      if (!exists && resource.createOnUpdate && call.subresource === "")
        return { code: 201, resource, object: create(api, call, object) };
      return { resource, object: update(api, call, object) };
    }
    case "patch": {
      const type = mediaType(request.headers["content-type"]);
      const bytes = await readBody(request);
      if (type !== "application/apply-patch+yaml")
        return { resource, object: patch(api, call, parseJsonBody(bytes), type) };
      if (!query.get("fieldManager"))
        throw badRequest(
          'PatchOptions.meta.k8s.io "" is invalid: fieldManager: Required value: is required for apply patch',
        );
      const applied = parseYamlBody(bytes);
      const { stored, created } = apply(api, call, applied, query.get("force") === "true");
      return { code: created ? 201 : 200, resource, object: stored };
    }
    case "delete": {
      const { stored, removed } = remove(api, call, parseDeleteOptions(await body(request), query));
      if (!removed || resource.kind === "Pod") return { code: 200, resource, object: stored };
      return { json: success(call, stored) };
    }
    case "deletecollection": {
      const options = parseDeleteOptions(await body(request), query);
      const { items, version } = list(api, call, query);
      parseSelection(call, query);
      return { resource, page: { items: removeAll(api, call, items, options), version } };
    }
    default:
      throw new StatusError(
        "MethodNotAllowed",
        "the server does not allow this method on the requested resource",
      );
  }
}

/** The object in a request, JSON, YAML or a patch in JSON. */
export const body = async (request: IncomingMessage): Promise<Json | undefined> =>
  parseBody(await readBody(request), mediaType(request.headers["content-type"]));

const success = ({ resource }: Call, { object }: Stored) => ({
  kind: "Status",
  apiVersion: "v1",
  metadata: {},
  status: "Success",
  details: {
    name: object.metadata.name,
    ...(resource.group === "" ? {} : { group: resource.group }),
    kind: resource.plural,
    uid: object.metadata.uid ?? "",
  },
});

/** Watch events as objects, table rows or bare metadata. */
function encoderFor(api: Api, call: Call, request: IncomingMessage, query: URLSearchParams): Encoder {
  const { resource } = call;
  const accepted = negotiate(request.headers.accept, objectShapes);
  const contentType = "application/json";
  if (accepted.as === "object") {
    const apiVersion = apiVersionOf(resource);
    return {
      contentType,
      change: (change: Change, type: ChangeType) => change.line(type, apiVersion),
      added: (stored: Stored) => `{"type":"ADDED","object":${stored.text(apiVersion)}}\n`,
    };
  }
  const include = query.get("includeObject") ?? "Metadata";
  let first = true;
  const line = (type: ChangeType, stored: Stored): string => {
    if (accepted.as !== "Table")
      return `${stringifyJson({ type, object: metadataOnly(stored.object, accepted.asVersion) })}\n`;
    const object = {
      kind: "Table",
      apiVersion: `meta.k8s.io/${accepted.asVersion}`,
      metadata: { resourceVersion: stored.object.metadata.resourceVersion },
      // Column definitions come with the first event only.
      columnDefinitions: first ? columnDefinitions(resource) : null,
      rows: [tableRow(resource, stored.object, accepted.asVersion, api.now(), include)],
    };
    first = false;
    return `${stringifyJson({ type, object })}\n`;
  };
  return {
    contentType,
    change: (change, type) => line(type, change.current),
    added: (stored) => line("ADDED", stored),
  };
}

/** Common parameters of writes. */
export function writeOptions(
  query: URLSearchParams,
  userAgent: string | undefined,
): Pick<Call, "dryRun" | "fieldManager" | "fieldValidation"> {
  const dryRun = query.getAll("dryRun");
  if (dryRun.some((value) => value !== "All" && value !== ""))
    throw badRequest(`Invalid value: ${JSON.stringify(dryRun)}: dryRun must be All`);
  const validation = query.get("fieldValidation");
  return {
    dryRun: dryRun.includes("All"),
    fieldManager: query.get("fieldManager") ?? (userAgent ?? "unknown").split("/", 1)[0]!.slice(0, 128),
    fieldValidation: validation === "Strict" || validation === "Ignore" ? validation : ("Warn" as const),
  };
}

export const unknownPath = (path: string): StatusError =>
  new StatusError("NotFound", `the server could not find the requested resource`, {
    causes: [{ message: path }],
  });
