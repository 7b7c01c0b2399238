import type { Tokens } from "../auth/tokens.ts";
import { type Json, type JsonObject, listAt, objectAt, stringAt } from "../json.ts";
import type { KubeObject } from "../objects.ts";
import type { Authorizer } from "../rbac/authorizer.ts";
import { badRequest, conflict, StatusError } from "../status.ts";
import { decode } from "./admit.ts";
import { type Api, type Call, keyOf } from "./api.ts";
import { evict } from "./evict.ts";
import type { Extension } from "./extension.ts";
import type { Reply } from "./reply.ts";
import { body, type ResourceRequest } from "./resources.ts";
import { answerReview } from "./reviews.ts";
import { readScale, writeScale } from "./scale.ts";
import { requireStored } from "./stored.ts";
import { issueToken } from "./token.ts";
import { update } from "./update.ts";

/** Requests that are not plain reads and writes of objects: token, binding, eviction, scale, finalize, reviews. */
export class Subresources {
  readonly #api: Api;
  readonly #tokens: Tokens;
  readonly #authorizer: Authorizer;
  readonly #extensions: readonly Extension[];

  constructor(api: Api, tokens: Tokens, authorizer: Authorizer, extensions: readonly Extension[] = []) {
    this.#api = api;
    this.#tokens = tokens;
    this.#authorizer = authorizer;
    this.#extensions = extensions;
  }

  /** Undefined: not one of ours. */
  async handle({ call, verb, request }: ResourceRequest): Promise<Reply | undefined> {
    const { resource, subresource } = call;
    if (resource.verbs.length === 1 && verb === "create" && subresource === "") {
      const review = decode(call, await body(request));
      const answer = answerReview(review, call.namespace, call.user, this.#authorizer, this.#tokens);
      return answer && { code: 201, json: answer };
    }
    switch (`${resource.storage}/${subresource}`) {
      case "/pods/binding":
        return verb === "create" ? bind(this.#api, call, objectBody(await body(request))) : undefined;
      case "/pods/eviction":
        return verb === "create" ? this.#evict(call, await body(request)) : undefined;
      case "/pods/log":
      case "/pods/exec":
      case "/pods/attach":
      case "/pods/portforward":
        throw new StatusError(
          "MethodNotAllowed",
          `the lab's API server has no ${subresource}: use \`lab exec\` or \`lab console\` instead`,
        );
      case "/serviceaccounts/token":
        return verb === "create"
          ? { code: 201, json: issueToken(this.#api, this.#tokens, call, objectBody(await body(request))) }
          : undefined;
      case "/namespaces/finalize":
        return verb === "update" ? finalize(this.#api, call, objectBody(await body(request))) : undefined;
    }
    if (subresource === "scale" && resource.scale) {
      if (verb === "get") return { json: readScale(call, requireStored(this.#api, call).object) };
      if (verb === "update" || verb === "patch")
        return {
          json: writeScale(this.#api, call, await body(request), request.headers["content-type"], verb),
        };
    }
    return undefined;
  }

  async #evict(call: Call, sent: Json | undefined): Promise<Reply> {
    const { object } = requireStored(this.#api, call);
    for (const extension of this.#extensions) await extension.beforeEviction(object, call);
    return evict(this.#api, call, sent);
  }
}

function objectBody(value: unknown): JsonObject {
  if (typeof value !== "object" || value === null || Array.isArray(value))
    throw badRequest("the request body is not an object");
  return value as JsonObject;
}

/** The scheduler's verdict: sets the node of a pod that has none. */
function bind(api: Api, call: Call, binding: JsonObject): Reply {
  const { object } = requireStored(api, call);
  const node = stringAt(binding, "target", "name") ?? "";
  const current = stringAt(object, "spec", "nodeName");
  if (current)
    throw conflict(call.resource, call.name, `pod ${call.name} is already assigned to node "${current}"`);
  if (object.metadata.deletionTimestamp)
    throw conflict(
      call.resource,
      call.name,
      `pod ${call.name} is being deleted, cannot be assigned to a host`,
    );
  const scheduled = {
    type: "PodScheduled",
    status: "True",
    lastProbeTime: null,
    lastTransitionTime: api.timestamp(),
  };
  const conditions = listAt(object, "status", "conditions").filter(
    (c) => stringAt(c, "type") !== "PodScheduled",
  );
  const bound: KubeObject = {
    ...object,
    metadata: {
      ...object.metadata,
      annotations: {
        ...object.metadata.annotations,
        ...(objectAt(binding, "metadata", "annotations") as object),
      },
    },
    spec: { ...objectAt(object, "spec"), nodeName: node },
    status: { ...objectAt(object, "status"), conditions: [...conditions, scheduled] },
  };
  if (Object.keys(bound.metadata.annotations!).length === 0) delete bound.metadata.annotations;
  if (!call.dryRun) api.store.put(api.objects(call.resource), keyOf(call.namespace, call.name), bound);
  return {
    code: 201,
    json: { kind: "Status", apiVersion: "v1", metadata: {}, status: "Success", code: 201 },
  };
}

/** Replaces spec.finalizers of a namespace; the last one gone, the namespace goes. */
function finalize(api: Api, call: Call, sent: JsonObject): Reply {
  const stored = requireStored(api, call);
  const finalizers = listAt(sent, "spec", "finalizers");
  const object: KubeObject = { ...stored.object, metadata: { ...stored.object.metadata } };
  const through: Call = {
    ...call,
    resource: {
      ...call.resource,
      strategy: {
        prepareUpdate(namespace) {
          namespace.spec = { finalizers };
        },
      },
    },
  };
  return { resource: call.resource, object: update(api, through, object) };
}
