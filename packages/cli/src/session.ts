import { type ApiClient, createApiClient } from "@fairlead/api";
import { createIpam, createKubernetesFacts, createKubernetesStore, type Ipam } from "@fairlead/ipam";

/** What a command works with. Tests give their own. */
export interface Session {
  readonly client: ApiClient;
  readonly ipam: Ipam;
  /** Writes to the standard output. */
  print(text: string): void;
  /** Reads a file named on the command line. */
  readFile(path: string): string;
  writeFile(path: string, text: string): void;
  readonly version: string;
  /** The directory of the agent's sockets. */
  readonly runDir: string;
}

/** Opens the cluster of a kubeconfig. Nothing is connected before the first call. */
export function openCluster(
  kubeconfig: string | undefined,
  context: string | undefined,
): Pick<Session, "client" | "ipam"> {
  const client = createApiClient({ ...(kubeconfig && { kubeconfig }), ...(context && { context }) });
  const ipam = createIpam({
    store: createKubernetesStore({ client }),
    facts: createKubernetesFacts(client),
    settingsMaxAgeMs: 0,
  });
  return { client, ipam };
}

/** Text for people, or the same as JSON for programs. Numbers beyond JSON's exactness become texts. */
export function show(session: Session, json: boolean, value: unknown, text: () => string): void {
  const plain = (_: string, item: unknown) => (typeof item === "bigint" ? String(item) : item);
  session.print(json ? `${JSON.stringify(value, plain, 2)}\n` : text());
}
