import type { IncomingMessage, ServerResponse } from "node:http";
import { stringify as stringifyYaml } from "yaml";
import { type JsonObject, parseJson, stringifyJson } from "../json.ts";
import { apiVersionOf, type Resource } from "../kinds/resource.ts";
import type { Stored } from "../storage/change.ts";
import { listTable, metadataList, metadataOnly } from "../table/table.ts";
import type { Page } from "./list.ts";
import { type Accepted, negotiate } from "./negotiate.ts";

/** An answer before it is encoded. */
export type Reply =
  | { readonly code?: number; readonly resource: Resource; readonly object: Stored }
  | { readonly resource: Resource; readonly page: Page; readonly includeObject?: string }
  | { readonly code?: number; readonly json: JsonObject };

export const objectShapes = ["Table", "PartialObjectMetadata", "PartialObjectMetadataList"] as const;

export function sendReply(
  request: IncomingMessage,
  response: ServerResponse,
  reply: Reply,
  now: number,
  warnings: readonly string[] = [],
): void {
  if (warnings.length > 0)
    response.setHeader(
      "warning",
      warnings.map((text) => `299 - ${JSON.stringify(text)}`),
    );
  if ("json" in reply) {
    const accepted = negotiate(request.headers.accept, []);
    sendText(response, reply.code ?? 200, stringifyJson(reply.json), accepted);
    return;
  }
  const accepted = negotiate(request.headers.accept, objectShapes);
  sendText(
    response,
    ("code" in reply ? reply.code : undefined) ?? 200,
    encode(reply, accepted, now),
    accepted,
  );
}

function encode(reply: Exclude<Reply, { json: JsonObject }>, accepted: Accepted, now: number): string {
  const { resource } = reply;
  if ("object" in reply) {
    if (accepted.as === "Table")
      return stringifyJson(listTable(resource, [reply.object], {}, accepted.asVersion, now));
    if (accepted.as === "PartialObjectMetadata")
      return stringifyJson(metadataOnly(reply.object.object, accepted.asVersion));
    return reply.object.text(apiVersionOf(resource));
  }
  const { page } = reply;
  const metadata = {
    resourceVersion: String(page.version),
    ...(page.continue ? { continue: page.continue } : {}),
    ...(page.remaining === undefined ? {} : { remainingItemCount: page.remaining }),
  };
  if (accepted.as === "Table")
    return stringifyJson(
      listTable(resource, page.items, metadata, accepted.asVersion, now, reply.includeObject),
    );
  if (accepted.as === "PartialObjectMetadataList")
    return stringifyJson(metadataList(page.items, metadata, accepted.asVersion));
  const apiVersion = apiVersionOf(resource);
  const items = page.items.map((stored) => stored.text(apiVersion)).join(",");
  return `{"kind":${JSON.stringify(resource.listKind)},"apiVersion":${JSON.stringify(apiVersion)},"metadata":${JSON.stringify(metadata)},"items":[${items}]}`;
}

export function sendText(
  response: ServerResponse,
  code: number,
  json: string,
  accepted: Accepted,
  mediaType = "application/json",
): void {
  const yaml = accepted.encoding === "yaml";
  const bytes = Buffer.from(yaml ? stringifyYaml(parseJson(json)) : json);
  response.writeHead(code, {
    "content-type": yaml ? "application/yaml" : mediaType,
    "content-length": bytes.length,
    "cache-control": "no-cache, private",
  });
  response.end(bytes);
}
