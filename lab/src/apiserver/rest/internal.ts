import type { JsonObject } from "../json.ts";
import type { KubeObject } from "../objects.ts";
import { StatusError } from "../status.ts";
import { decode } from "./admit.ts";
import type { Api, Call, User } from "./api.ts";
import { create } from "./create.ts";

export const systemUser: User = {
  name: "system:apiserver",
  groups: ["system:masters", "system:authenticated"],
};

/** The server's own call on one object, past authentication and authorization. */
export function internalCall(api: Api, object: JsonObject): Call {
  const { apiVersion, kind, metadata } = object as KubeObject;
  const resource = api.registry.findGvk(apiVersion, kind);
  if (!resource) throw new Error(`no resource serves ${apiVersion} ${kind}`);
  return {
    resource,
    namespace: metadata.namespace ?? "",
    name: metadata.name,
    subresource: "",
    user: systemUser,
    dryRun: false,
    fieldManager: "kube-apiserver",
    fieldValidation: "Strict",
    warnings: [],
  };
}

/** Creates an object of the server's own unless it is there. */
export function ensure(api: Api, object: JsonObject): void {
  const call = internalCall(api, object);
  try {
    create(api, call, decode(call, object));
  } catch (error) {
    if (!(error instanceof StatusError) || error.code !== "AlreadyExists") throw error;
  }
}
