import type { ApiClient } from "./client.ts";
import { HttpApiClient } from "./http/http-client.ts";
import type { CredentialSource } from "./http/kubeconfig.ts";

/** Where the cluster is and how to talk to it. Nothing given: the kubeconfig of the user, or the pod's service account. */
export interface ApiClientOptions extends CredentialSource {
  /** Milliseconds for a whole request and its answer; 15000 by default. Watches have no such limit. */
  readonly requestTimeoutMs?: number | undefined;
  /** How the server's logs name us. */
  readonly userAgent?: string | undefined;
}

/**
 * A client for the server of a kubeconfig. Nothing is read or connected before the first call; credentials are read again
 * as they rotate.
 */
export function createApiClient(options: ApiClientOptions = {}): ApiClient {
  const { requestTimeoutMs = 15_000, userAgent = "fairlead", ...source } = options;
  // Loaded late: it brings Node's network and the kubeconfig library, which a browser or a pure test does not want.
  const open = async () => (await import("#transport")).openTransport(source, userAgent);
  return new HttpApiClient(open, requestTimeoutMs);
}
