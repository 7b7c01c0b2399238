import type { RequestOptions } from "node:https";
import { KubeConfig } from "@kubernetes/client-node";
import type { Identity } from "./identity.ts";
import type { Context } from "./kubeconfig.ts";

/** Asks the program or identity provider that a kubeconfig names. */
export async function pluginIdentity({ cluster, user }: Context): Promise<Identity> {
  const config = new KubeConfig();
  config.loadFromString(
    JSON.stringify({
      clusters: [{ name: "it", cluster: { ...cluster, "insecure-skip-tls-verify": true } }],
      users: [{ name: "me", user }],
      contexts: [{ name: "here", context: { cluster: "it", user: "me" } }],
      "current-context": "here",
    }),
  );
  const options: RequestOptions = {};
  await config.applyToHTTPSOptions(options);
  const { cert, key, pfx, passphrase } = options;
  const headers: Record<string, string> = {};
  for (const [name, value] of Object.entries(options.headers ?? {}))
    headers[name.toLowerCase()] = String(value).trim();
  return { headers, tls: { cert, key, pfx, passphrase } };
}
