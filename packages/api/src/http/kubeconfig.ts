import { existsSync, readFileSync } from "node:fs";
import { homedir } from "node:os";
import { delimiter, dirname, join, resolve } from "node:path";
import { parse } from "yaml";
import { z } from "zod";
import { ApiError } from "../error.ts";
import { problemOf } from "../resources/problem.ts";
import { describeProblems } from "../schema.ts";

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

const cluster = z.looseObject({
  server: z.string(),
  "certificate-authority": z.string().optional(),
  "certificate-authority-data": z.string().optional(),
  "insecure-skip-tls-verify": z.boolean().optional(),
  "tls-server-name": z.string().optional(),
  "proxy-url": z.string().optional(),
});

const user = z.looseObject({
  "client-certificate": z.string().optional(),
  "client-certificate-data": z.string().optional(),
  "client-key": z.string().optional(),
  "client-key-data": z.string().optional(),
  token: z.string().optional(),
  tokenFile: z.string().optional(),
  username: z.string().optional(),
  password: z.string().optional(),
  as: z.string().optional(),
  exec: z.unknown().optional(),
  "auth-provider": z.unknown().optional(),
});

const file = z.looseObject({
  "current-context": z.string().optional(),
  clusters: z.array(z.looseObject({ name: z.string(), cluster })).nullish(),
  users: z.array(z.looseObject({ name: z.string(), user: user.nullish() })).nullish(),
  contexts: z
    .array(
      z.looseObject({ name: z.string(), context: z.looseObject({ cluster: z.string(), user: z.string() }) }),
    )
    .nullish(),
});

export type Cluster = z.output<typeof cluster>;
export type User = z.output<typeof user>;

/** Who we are where, as a kubeconfig says it. Paths are absolute. */
export interface Context {
  readonly cluster: Cluster;
  readonly user: User;
}

const account = "/var/run/secrets/kubernetes.io/serviceaccount";

/** Finds and reads the context in force. Throws `ApiError` (`Unauthorized`) naming the file and the field. */
export function readContext({ kubeconfig, inCluster }: CredentialSource): Context {
  if (inCluster) return podContext();
  if (kubeconfig === undefined) return defaultContext();
  if (typeof kubeconfig !== "string")
    return contextOf("the given KubeConfig", kubeconfig.exportConfig(), ".");
  if (/[\n{]/.test(kubeconfig)) return contextOf("the given kubeconfig", kubeconfig, ".");
  return fileContext([kubeconfig]);
}

function defaultContext(): Context {
  const named = (process.env.KUBECONFIG ?? "").split(delimiter).filter((path) => path !== "");
  if (named.length > 0) return fileContext(named);
  const own = join(homedir(), ".kube", "config");
  if (existsSync(own)) return fileContext([own]);
  if (process.env.KUBERNETES_SERVICE_HOST) return podContext();
  throw unreadable("no kubeconfig: neither KUBECONFIG nor ~/.kube/config names one, and this is no pod");
}

/** As kubectl does with several: of each name the first counts. */
function fileContext(paths: readonly string[]): Context {
  const present = paths.length === 1 ? paths : paths.filter((path) => existsSync(path));
  const parsed = present.map((path) => absolute(parseFile(path, read(path)), dirname(resolve(path))));
  return pick(present.join(delimiter), parsed);
}

function contextOf(name: string, text: string, directory: string): Context {
  return pick(name, [absolute(parseFile(name, text), resolve(directory))]);
}

type File = z.output<typeof file>;

function pick(name: string, files: readonly File[]): Context {
  const current = files.map((one) => one["current-context"]).find((one) => one);
  const context = files
    .flatMap(({ contexts }) => contexts ?? [])
    .find((one) => one.name === current)?.context;
  if (!context) throw unreadable(`${name}: there is no context "${current ?? ""}" (current-context)`);
  const cluster = files
    .flatMap(({ clusters }) => clusters ?? [])
    .find((one) => one.name === context.cluster)?.cluster;
  if (!cluster)
    throw unreadable(`${name}: there is no cluster "${context.cluster}", which the context names`);
  const user = files.flatMap(({ users }) => users ?? []).find((one) => one.name === context.user)?.user;
  return { cluster, user: user ?? {} };
}

function parseFile(name: string, text: string): File {
  const parsed = file.safeParse(parse(text));
  if (parsed.success) return parsed.data;
  throw unreadable(`${name}: ${describeProblems(parsed.error.issues.map((issue) => problemOf(issue)))}`);
}

const clusterPaths = ["certificate-authority"] as const;
const userPaths = ["client-certificate", "client-key", "tokenFile"] as const;

function absolute(parsed: File, directory: string): File {
  for (const { cluster } of parsed.clusters ?? []) toAbsolute(cluster, clusterPaths, directory);
  for (const { user } of parsed.users ?? []) if (user) toAbsolute(user, userPaths, directory);
  return parsed;
}

function toAbsolute<K extends string>(
  holder: { [key in K]?: string | undefined },
  keys: readonly K[],
  root: string,
) {
  for (const key of keys) {
    const path = holder[key];
    if (path) holder[key] = resolve(root, path);
  }
}

function podContext(): Context {
  const { KUBERNETES_SERVICE_HOST: host, KUBERNETES_SERVICE_PORT: port = "443" } = process.env;
  if (!host) throw unreadable("this is no pod: KUBERNETES_SERVICE_HOST is not set");
  const server = `https://${host.includes(":") ? `[${host}]` : host}:${port}`;
  return {
    cluster: { server, "certificate-authority": `${account}/ca.crt` },
    user: { tokenFile: `${account}/token` },
  };
}

export function read(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch (error) {
    throw unreadable(`cannot read ${path}`, error);
  }
}

function unreadable(message: string, cause?: unknown): ApiError {
  return new ApiError("Unauthorized", message, { cause });
}
