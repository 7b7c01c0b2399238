import type { Json, JsonObject } from "../json.ts";
import type { KubeObject } from "../objects.ts";
import type { User } from "./api.ts";

/** A request for an aggregated API; the caller has the right to make it. */
export interface ExtensionRequest {
  /** As RBAC names it: `update` for PUT. */
  readonly verb: string;
  readonly plural: string;
  readonly namespace: string;
  readonly name: string;
  readonly subresource: string;
  readonly user: User;
  readonly dryRun: boolean;
  readonly body: Json | undefined;
}

/**
 * What another server of the cluster does in the API server's name: an aggregated API, and the webhooks that are asked before an
 * object is created and before a pod is evicted. They refuse by throwing a StatusError.
 */
export interface Extension {
  readonly group: string;
  readonly versions: readonly string[];
  /** Undefined: there is no such resource. An empty object is sent as an empty body. */
  answer(
    request: ExtensionRequest,
  ): Promise<{ readonly code: number; readonly json?: JsonObject } | undefined>;
  /**
   * Returns the object as it is to be created. The API server goes on with other requests meanwhile, as every API server does: what
   * a webhook has looked at may be different by the time the object is stored.
   */
  beforeCreate(
    object: KubeObject,
    about: { readonly group: string; readonly plural: string; readonly namespace: string },
  ): Promise<KubeObject>;
  beforeEviction(pod: KubeObject, options: { readonly dryRun: boolean }): Promise<void>;
}
