import { readFile, rename, writeFile } from "node:fs/promises";
import type { ApiClient } from "@fairlead/api";
import { parse, stringify } from "yaml";
import type { Topology } from "../topology/topology.ts";
import { kubeconfigOf } from "./processes.ts";

/** A service account, and the name of the kubeconfig made for it. */
export interface Account {
  readonly kubeconfig: string;
  readonly namespace: string;
  readonly name: string;
}

/** Accounts of the programs the lab runs. They and their rights are objects of `deploy/` and `lab/manifests/`. */
export function accounts(topology: Topology): Account[] {
  const workers = topology.nodes.filter((node) => node.role === "worker");
  return [
    { kubeconfig: "fairlead-node", namespace: "fairlead-system", name: "fairlead-node" },
    { kubeconfig: "fairlead-cluster", namespace: "fairlead-system", name: "fairlead-cluster" },
    { kubeconfig: "virt-controller", namespace: "kubevirt", name: "kubevirt-controller" },
    { kubeconfig: "virt-handler", namespace: "kubevirt", name: "kubevirt-handler" },
    ...workers.map(({ name }) => ({
      kubeconfig: `kubelet-${name}`,
      namespace: "kube-system",
      name: "kubelet",
    })),
  ];
}

const tokenSeconds = 7 * 24 * 3600;

/** Writes the kubeconfig of a service account: the administrator's with the account's token. */
export async function writeKubeconfig(
  client: ApiClient,
  account: Account,
  adminKubeconfig: string,
): Promise<void> {
  const { namespace, name } = account;
  const { body } = await client.raw({
    method: "POST",
    path: `/api/v1/namespaces/${namespace}/serviceaccounts/${name}/token`,
    body: {
      apiVersion: "authentication.k8s.io/v1",
      kind: "TokenRequest",
      metadata: {},
      spec: { audiences: [], expirationSeconds: tokenSeconds },
    },
  });
  const { token } = (body as { status: { token: string } }).status;
  const config = parse(await readFile(adminKubeconfig, "utf8")) as { users: { user: object }[] };
  for (const user of config.users) user.user = { token };
  const path = kubeconfigOf(account.kubeconfig);
  await writeFile(`${path}.next`, stringify(config), { mode: 0o600 });
  await rename(`${path}.next`, path);
}
