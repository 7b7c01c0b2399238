import { createHash } from "node:crypto";
import type { RequestOptions } from "node:https";
import { KubeConfig } from "@kubernetes/client-node";
import { ApiError } from "../error.ts";

export interface CredentialSource {
  /** Path or text of a kubeconfig, or a loaded one. Absent: `KUBECONFIG`, `~/.kube/config`, then the pod's own account. */
  readonly kubeconfig?: string | KubeConfigLike | undefined;
  /** Use the service account of the pod we run in. */
  readonly inCluster?: boolean | undefined;
}

/** What we need of a `KubeConfig` of @kubernetes/client-node. */
export interface KubeConfigLike {
  exportConfig(): string;
}

/** How to reach a server and who we are there. */
export interface Credentials {
  /** Scheme, host and port, without a slash at the end. */
  readonly server: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly tls: TlsOptions;
  readonly proxy: string | undefined;
  /** Changes when anything above does. */
  readonly fingerprint: string;
  readonly tlsFingerprint: string;
}

export type TlsOptions = Pick<
  RequestOptions,
  "ca" | "cert" | "key" | "pfx" | "passphrase" | "servername" | "rejectUnauthorized"
>;

/**
 * Reads a kubeconfig and whatever it points at: certificates, tokens, token files, exec plug-ins, OIDC.
 * Throws `ApiError` (`Unauthorized`) naming what cannot be read.
 */
export async function loadCredentials(source: CredentialSource): Promise<Credentials> {
  try {
    return await read(source);
  } catch (error) {
    if (error instanceof ApiError) throw error;
    const reason = error instanceof Error ? error.message : String(error);
    throw new ApiError("Unauthorized", `kubeconfig: ${reason}`, { cause: error });
  }
}

async function read(source: CredentialSource): Promise<Credentials> {
  const config = load(source);
  const cluster = config.getCurrentCluster();
  if (!cluster?.server)
    throw new ApiError("Unauthorized", "kubeconfig: the current context names no cluster");
  const options: RequestOptions = {};
  await config.applyToHTTPSOptions(options);
  const { ca, cert, key, pfx, passphrase, servername, rejectUnauthorized, auth } = options;
  const tls = defined({ ca, cert, key, pfx, passphrase, servername, rejectUnauthorized });
  const headers: Record<string, string> = {};
  for (const [name, value] of Object.entries(options.headers ?? {}))
    headers[name.toLowerCase()] = String(value).trim();
  if (auth) headers.authorization ??= `Basic ${Buffer.from(auth).toString("base64")}`;
  const tlsFingerprint = hash([
    cluster.server,
    cluster.proxyUrl,
    ca,
    cert,
    key,
    pfx,
    servername,
    rejectUnauthorized,
  ]);
  return {
    server: cluster.server.replace(/\/+$/, ""),
    headers,
    tls,
    proxy: cluster.proxyUrl,
    fingerprint: hash([tlsFingerprint, JSON.stringify(headers)]),
    tlsFingerprint,
  };
}

function load({ kubeconfig, inCluster }: CredentialSource): KubeConfig {
  const config = new KubeConfig();
  if (inCluster) config.loadFromCluster();
  else if (kubeconfig === undefined) config.loadFromDefault();
  else if (typeof kubeconfig !== "string") config.loadFromString(kubeconfig.exportConfig());
  else if (/[\n{]/.test(kubeconfig)) config.loadFromString(kubeconfig);
  else config.loadFromFile(kubeconfig);
  // The library refuses plain http unless verification is off; there is nothing to verify without TLS.
  const clusters = config.clusters.map((cluster) =>
    cluster.server.startsWith("http:") ? { ...cluster, skipTLSVerify: true } : cluster,
  );
  config.loadFromOptions({ ...config, clusters, currentContext: config.currentContext });
  return config;
}

function defined<T extends object>(options: T): T {
  return Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined)) as T;
}

function hash(parts: readonly unknown[]): string {
  const sum = createHash("sha256");
  for (const part of parts) sum.update(`${String(part)}\0`);
  return sum.digest("hex");
}
