import { stringify } from "yaml";

/** A kubeconfig with one cluster, one user, one context. */
export const kubeconfig = (options: {
  readonly url: string;
  readonly caPem: string;
  readonly token: string;
  readonly user: string;
  readonly namespace?: string;
}): string =>
  stringify({
    apiVersion: "v1",
    kind: "Config",
    clusters: [
      {
        name: "fairlead-lab",
        cluster: {
          server: options.url,
          "certificate-authority-data": Buffer.from(options.caPem).toString("base64"),
        },
      },
    ],
    users: [{ name: options.user, user: { token: options.token } }],
    contexts: [
      {
        name: "fairlead-lab",
        context: {
          cluster: "fairlead-lab",
          user: options.user,
          ...(options.namespace ? { namespace: options.namespace } : {}),
        },
      },
    ],
    "current-context": "fairlead-lab",
  });
