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
