import type { IncomingMessage, ServerResponse } from "node:http";
import type { Tokens } from "../auth/tokens.ts";
import { stringifyJson } from "../json.ts";
import type { Resource } from "../kinds/resource.ts";
import { type Attributes, denial } from "../rbac/attributes.ts";
import type { Authorizer } from "../rbac/authorizer.ts";
import { forbidden, StatusError } from "../status.ts";
import type { Api, Call, User } from "./api.ts";
import type { Extension } from "./extension.ts";
import { negotiate } from "./negotiate.ts";
import type { NonResource } from "./nonresource.ts";
import { sendReply, sendText } from "./reply.ts";
import { parseRequest, type RequestInfo, verbOf } from "./request.ts";
import type { RequestCounts } from "./request-counts.ts";
import { body, handleResource, unknownPath, writeOptions } from "./resources.ts";
import type { Subresources } from "./subresources.ts";

const anonymous: User = { name: "system:anonymous", groups: ["system:unauthenticated"] };

export interface Components {
  readonly api: Api;
  readonly tokens: Tokens;
  readonly authorizer: Authorizer;
  readonly subresources: Subresources;
  readonly nonResource: NonResource;
  readonly counts: RequestCounts;
  readonly extensions: readonly Extension[];
  readonly bookmarkIntervalMs: number;
  readonly signal: AbortSignal;
}

/** Answers one request: who, may they, what. Everything that goes wrong becomes a Status. */
export async function handle(
  components: Components,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  try {
    const caller = authenticate(components.tokens, request.headers.authorization);
    const user = impersonate(components, request, caller);
    const info = parseRequest(request.url ?? "/");
    if (info.resource) await answerResource(components, request, response, info, user);
    else answerOther(components, request, response, info, user);
  } catch (error) {
    sendError(request, response, error);
  }
}

function authenticate(tokens: Tokens, header: string | undefined): User {
  if (header === undefined) return anonymous;
  const match = /^Bearer +(\S+)$/i.exec(header);
  const user = match ? tokens.authenticate(match[1]!) : undefined;
  if (!user) throw new StatusError("Unauthorized", "Unauthorized");
  return user;
}

/** `kubectl --as`: acts as someone else, if a rule allows to impersonate each of the names given. */
function impersonate(components: Components, { headers }: IncomingMessage, caller: User): User {
  const name = headers["impersonate-user"];
  if (typeof name !== "string") return caller;
  const given = headers["impersonate-group"];
  const groups = given === undefined ? [] : Array.isArray(given) ? given : given.split(/,\s*/);
  const may = (plural: string, objectName: string, namespace = ""): void =>
    authorize(components, {
      user: caller,
      verb: "impersonate",
      resource: { group: "", name: plural, namespace, objectName },
    });
  const account = /^system:serviceaccount:([^:]+):([^:]+)$/.exec(name);
  if (account) may("serviceaccounts", account[2]!, account[1]!);
  else may("users", name);
  for (const group of groups) may("groups", group);
  const implied = account ? ["system:serviceaccounts", `system:serviceaccounts:${account[1]}`] : [];
  return { name, groups: [...(groups.length > 0 ? groups : implied), "system:authenticated"] };
}

function authorize({ authorizer }: Components, attributes: Attributes): void {
  if (authorizer.allows(attributes)) return;
  const why = denial(attributes);
  if (!attributes.resource) throw new StatusError("Forbidden", why, {});
  const { group, name, objectName } = attributes.resource;
  throw forbidden({ group, plural: name.split("/", 1)[0]! }, objectName, why);
}

const nameField = /(?:^|,)metadata\.name==?([^,!=]+)(?:,|$)/;

async function answerResource(
  components: Components,
  request: IncomingMessage,
  response: ServerResponse,
  info: RequestInfo,
  user: User,
): Promise<void> {
  const { api } = components;
  const asked = info.resource!;
  const verb = verbOf(request.method ?? "GET", info);
  components.counts.add({ ...asked, verb });
  const selected = nameField.exec(info.query.get("fieldSelector") ?? "")?.[1];
  authorize(components, {
    user,
    verb,
    resource: {
      group: asked.group,
      name: asked.subresource === "" ? asked.plural : `${asked.plural}/${asked.subresource}`,
      namespace: asked.plural === "namespaces" && asked.name !== "" ? asked.name : asked.namespace,
      objectName: asked.name || selected || "",
    },
  });
  const extension = components.extensions.find(
    ({ group, versions }) => group === asked.group && versions.includes(asked.version),
  );
  if (extension) return answerExtension(extension, request, response, info, { verb, user });
  const resource = api.registry.find(asked.group, asked.version, asked.plural);
  if (!resource || (asked.namespace !== "" && !resource.namespaced)) throw unknownPath(info.path);
  requireNamespace(resource, info, verb);
  const call: Call = {
    resource,
    namespace: resource.namespaced ? asked.namespace : "",
    name: asked.name,
    subresource: asked.subresource,
    user,
    ...writeOptions(info.query, request.headers["user-agent"]),
    warnings: [],
  };
  const options = { call, verb, query: info.query, request, response };
  const known = asked.subresource === "" || (asked.subresource === "status" && resource.hasStatus);
  const special = await components.subresources.handle(options);
  if (special) {
    sendReply(request, response, special, api.now(), call.warnings);
    return;
  }
  if (!known) throw unknownPath(info.path);
  if (!(resource.verbs as readonly string[]).includes(verb))
    throw new StatusError(
      "MethodNotAllowed",
      "the server does not allow this method on the requested resource",
    );
  const reply = await handleResource(api, options, components);
  if (reply) sendReply(request, response, reply, api.now(), call.warnings);
}

/** Hands a request on as the aggregation layer does. */
async function answerExtension(
  extension: Extension,
  request: IncomingMessage,
  response: ServerResponse,
  { path, query, resource }: RequestInfo,
  caller: { readonly verb: string; readonly user: User },
): Promise<void> {
  const { dryRun } = writeOptions(query, undefined);
  const { plural, namespace, name, subresource } = resource!;
  const asked = { plural, namespace, name, subresource, dryRun, ...caller };
  const answer = await extension.answer({ ...asked, body: await body(request) });
  if (answer === undefined) throw unknownPath(path);
  if (answer.json) sendText(response, answer.code, stringifyJson(answer.json), negotiate(undefined, []));
  else response.writeHead(answer.code, { "content-length": 0 }).end();
}

function requireNamespace(resource: Resource, info: RequestInfo, verb: string): void {
  const { namespace, name } = info.resource!;
  if (!resource.namespaced || namespace !== "") return;
  if (name !== "" || (verb !== "list" && verb !== "watch")) throw unknownPath(info.path);
}

function answerOther(
  components: Components,
  request: IncomingMessage,
  response: ServerResponse,
  info: RequestInfo,
  user: User,
): void {
  const verb = (request.method ?? "GET").toLowerCase();
  authorize(components, { user, verb: verb === "head" ? "get" : verb, path: info.path });
  if (!components.nonResource.answer(request, response, info)) throw unknownPath(info.path);
}

export function sendError(request: IncomingMessage, response: ServerResponse, error: unknown): void {
  const status =
    error instanceof StatusError
      ? error
      : new StatusError("InternalError", `Internal error occurred: ${(error as Error).message}`);
  if (!(error instanceof StatusError)) console.error(request.method, request.url, error);
  if (response.headersSent) {
    response.destroy();
    return;
  }
  const retry = status.details?.retryAfterSeconds;
  if (retry !== undefined) response.setHeader("retry-after", String(retry));
  const json = stringifyJson(status.toStatus());
  try {
    sendText(response, status.httpCode, json, negotiate(request.headers.accept, []));
  } catch {
    sendText(response, status.httpCode, json, { encoding: "json", as: "object", asVersion: "" });
  }
}
