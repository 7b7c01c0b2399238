import { setMaxListeners } from "node:events";
import { mkdirSync } from "node:fs";
import { createServer } from "node:https";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { Policies } from "./admission/policies.ts";
import { servingCertificate } from "./auth/certificates.ts";
import { kubeconfig } from "./auth/kubeconfig.ts";
import { defaultAudience, Tokens } from "./auth/tokens.ts";
import type { JsonObject } from "./json.ts";
import { Definitions } from "./kinds/definitions.ts";
import { Registry } from "./kinds/registry.ts";
import { Authorizer } from "./rbac/authorizer.ts";
import { bootstrapRbac } from "./rbac/bootstrap.ts";
import { Api } from "./rest/api.ts";
import type { Extension } from "./rest/extension.ts";
import { type Components, handle } from "./rest/handler.ts";
import { ensure } from "./rest/internal.ts";
import { NonResource } from "./rest/nonresource.ts";
import { RequestCounts } from "./rest/request-counts.ts";
import { Subresources } from "./rest/subresources.ts";
import { Store } from "./storage/store.ts";

/** Whom a kubeconfig speaks for: a plain user with groups, or a service account. */
export type Subject =
  | { readonly user: string; readonly groups?: readonly string[] }
  | { readonly serviceAccount: string; readonly namespace: string };

export interface Clock {
  /** Milliseconds since the epoch. */
  now(): number;
}

export interface ApiServerOptions {
  /** Address to listen on. Default 127.0.0.1. */
  readonly host?: string;
  /** 0 takes any free port (the default). */
  readonly port?: number;
  /**
   * Where keys, certificates and the write-ahead log live. With it, state survives a kill of the process:
   * resource versions continue and watchers resume. Without it, everything is in memory.
   */
  readonly directory?: string;
  /** More host names and addresses the certificate is valid for; the first one goes into kubeconfigs. */
  readonly advertise?: readonly string[];
  /** Changes kept per resource for watchers to resume from. Default 4096. */
  readonly history?: number;
  /** How often watchers that asked for bookmarks get one, in milliseconds. Default 60000. */
  readonly bookmarkIntervalMs?: number;
  readonly clock?: Clock;
  /** What other servers of the cluster do in this one's name. */
  readonly extensions?: readonly Extension[];
}

export interface ApiServer {
  /** `https://host:port` */
  readonly url: string;
  readonly port: number;
  /** The certificate authority clients should trust, PEM. */
  readonly caPem: string;
  /** A kubeconfig (YAML) of a member of system:masters. */
  readonly adminKubeconfig: string;
  /** A kubeconfig (YAML) with a bearer token for the subject. Nobody checks that the subject may do anything. */
  kubeconfigFor(subject: Subject): Promise<string>;
  /** Forgets all history: a watcher that resumes from an older version is answered 410 Gone. */
  compact(): void;
  /** Ends all watches and connections and stops listening. */
  close(): Promise<void>;
}

/** Starts the server; it answers requests when the promise resolves. */
export async function startApiServer(options: ApiServerOptions = {}): Promise<ApiServer> {
  const { host = "127.0.0.1", port = 0, directory, advertise = [], history = 4096 } = options;
  if (directory) mkdirSync(directory, { recursive: true, mode: 0o700 });
  const names = [
    "kubernetes",
    "kubernetes.default",
    "kubernetes.default.svc",
    "localhost",
    "127.0.0.1",
    "::1",
  ];
  const reachable = host === "0.0.0.0" || host === "::" ? [] : [host];
  const certificate = servingCertificate([...new Set([...reachable, ...advertise, ...names])], directory);
  const store = new Store({ history, ...(directory ? { logPath: join(directory, "store.log") } : {}) });
  const api = new Api(store, new Registry(), options.clock ? () => options.clock!.now() : Date.now);
  const tokens = new Tokens(api, directory);
  new Definitions(api);
  for (const object of [...bootstrapNamespaces(), ...bootstrapRbac()]) ensure(api, object);
  const policies = new Policies(api);
  api.admission = (attempt) => policies.review(attempt);

  const authorizer = new Authorizer(api);
  const ending = new AbortController();
  const counts = new RequestCounts();
  const components: Components = {
    api,
    tokens,
    authorizer,
    subresources: new Subresources(api, tokens, authorizer, options.extensions),
    extensions: options.extensions ?? [],
    counts,
    nonResource: new NonResource(api.registry, counts),
    bookmarkIntervalMs: options.bookmarkIntervalMs ?? 60_000,
    signal: ending.signal,
  };
  setMaxListeners(0, ending.signal);
  const server = createServer(
    {
      key: certificate.keyPem,
      cert: certificate.certPem,
      keepAliveTimeout: 120_000,
      requestTimeout: 0,
      noDelay: true,
    },
    (request, response) => void handle(components, request, response),
  );
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen(port, host, resolve);
  });
  const bound = (server.address() as AddressInfo).port;
  const reach = advertise[0] ?? (reachable[0] || "127.0.0.1");
  const url = `https://${reach.includes(":") ? `[${reach}]` : reach}:${bound}`;
  const configFor = (user: string, token: string, namespace?: string): string =>
    kubeconfig({ url, caPem: certificate.caPem, token, user, ...(namespace ? { namespace } : {}) });

  return {
    url,
    port: bound,
    caPem: certificate.caPem,
    adminKubeconfig: configFor("kubernetes-admin", tokens.forUser("kubernetes-admin", ["system:masters"])),
    async kubeconfigFor(subject) {
      if ("user" in subject)
        return configFor(subject.user, tokens.forUser(subject.user, subject.groups ?? []));
      const { namespace, serviceAccount: name } = subject;
      ensure(api, { apiVersion: "v1", kind: "ServiceAccount", metadata: { name, namespace } });
      const uid = api.get("/serviceaccounts", namespace, name)!.metadata.uid!;
      const { token } = tokens.forServiceAccount(
        { namespace, name, uid },
        { audiences: [defaultAudience], seconds: 365 * 24 * 3600 },
      );
      return configFor(name, token, namespace);
    },
    compact: () => store.compact(),
    async close() {
      ending.abort();
      await new Promise<void>((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      });
      store.close();
    },
  };
}

const bootstrapNamespaces = (): JsonObject[] =>
  ["default", "kube-system", "kube-public", "kube-node-lease"].map((name) => ({
    apiVersion: "v1",
    kind: "Namespace",
    metadata: { name },
  }));
