import { createHash } from "node:crypto";
import { ApiError } from "../error.ts";
import type { Identity, TlsOptions } from "./identity.ts";
import { type Context, type CredentialSource, read, readContext, type User } from "./kubeconfig.ts";

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

/**
 * Reads a kubeconfig and whatever it points at: certificates, tokens, token files, exec plug-ins, identity providers.
 * Throws `ApiError` (`Unauthorized`) naming what cannot be read.
 */
export async function loadCredentials(source: CredentialSource): Promise<Credentials> {
  try {
    const context = readContext(source);
    return assemble(context, await identityOf(context));
  } catch (error) {
    if (error instanceof ApiError) throw error;
    const reason = error instanceof Error ? error.message : String(error);
    throw new ApiError("Unauthorized", `kubeconfig: ${reason}`, { cause: error });
  }
}

/** What is written down we read ourselves; programs and identity providers are client-node's business. */
async function identityOf(context: Context): Promise<Identity> {
  const { user } = context;
  if (user.exec === undefined && user["auth-provider"] === undefined) return writtenIdentity(user);
  // Loaded only where it is needed: it takes more memory than the rest of an agent.
  return (await import("./plugin-identity.ts")).pluginIdentity(context);
}

function writtenIdentity(user: User): Identity {
  const { username, password = "", tokenFile } = user;
  const headers: Record<string, string> = {};
  const token = user.token ?? (tokenFile === undefined ? undefined : read(tokenFile));
  if (token) headers.authorization = `Bearer ${token.trim()}`;
  else if (username)
    headers.authorization = `Basic ${Buffer.from(`${username}:${password}`).toString("base64")}`;
  if (user.as) headers["impersonate-user"] = user.as;
  return {
    headers,
    tls: {
      cert: material(user["client-certificate-data"], user["client-certificate"]),
      key: material(user["client-key-data"], user["client-key"]),
    },
  };
}

function assemble({ cluster }: Context, identity: Identity): Credentials {
  const ca = material(cluster["certificate-authority-data"], cluster["certificate-authority"]);
  const rejectUnauthorized = cluster["insecure-skip-tls-verify"] ? false : undefined;
  const tls = defined({ ...identity.tls, ca, servername: cluster["tls-server-name"], rejectUnauthorized });
  const server = cluster.server.replace(/\/+$/, "");
  const proxy = cluster["proxy-url"];
  const tlsFingerprint = hash([server, proxy, ...Object.entries(tls).flat()]);
  return {
    server,
    headers: identity.headers,
    tls,
    proxy,
    fingerprint: hash([tlsFingerprint, JSON.stringify(identity.headers)]),
    tlsFingerprint,
  };
}

/** PEM text, given in base64 or in a file. */
function material(data: string | undefined, path: string | undefined): string | undefined {
  if (data !== undefined) return Buffer.from(data, "base64").toString("utf8");
  return path === undefined ? undefined : read(path);
}

function defined<T extends object>(options: T): T {
  return Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined)) as T;
}

function hash(parts: readonly unknown[]): string {
  const sum = createHash("sha256");
  for (const part of parts) sum.update(`${String(part)}\0`);
  return sum.digest("hex");
}
