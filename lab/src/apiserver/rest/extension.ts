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
 * What another server of the cluster does in the API server's name: an aggregated API, and the webhook that is asked before a pod is
 * evicted. It refuses by throwing a StatusError.
 */
export interface Extension {
  readonly group: string;
  readonly versions: readonly string[];
  /** Undefined: there is no such resource. An empty object is sent as an empty body. */
  answer(
    request: ExtensionRequest,
  ): Promise<{ readonly code: number; readonly json?: JsonObject } | undefined>;
  beforeEviction(pod: KubeObject, options: { readonly dryRun: boolean }): Promise<void>;
}
