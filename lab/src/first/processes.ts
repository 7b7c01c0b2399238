import { join } from "node:path";
import { frrPrograms } from "../frr/machine.ts";
import type { Topology, TopologyNode } from "../topology/topology.ts";
import { inside, workspace } from "./paths.ts";
import type { ProcessSpec } from "./supervisor.ts";

const source = (path: string) => join(workspace, path);

/** A program of this workspace, run from its source. */
function program(path: string, ...args: string[]): Pick<ProcessSpec, "argv" | "program"> {
  return { argv: [process.execPath, source(path), ...args], program: source(path) };
}

/**
 * In a real cluster the control plane has processors of its own; here it must not take them from the guest, from routing
 * and from the agents while these carry a migration. The same holds for what stands beside them on a worker.
 */
const background = { isBackground: true } as const;

/** The file that holds the kubeconfig of a service account. */
export function kubeconfigOf(account: string): string {
  return join(inside.kubeconfigs, `${account}.kubeconfig`);
}

export function apiServer(topology: Topology): ProcessSpec {
  const address = `${topology.management.ipv4.gateway}:6443`;
  return {
    name: "apiserver",
    ...background,
    ...program("lab/src/apiserver/main.ts", "--kubevirt", "--bind", address, "--dir", inside.cluster),
  };
}

/** Controllers, once the API server runs and their accounts exist. */
export function controlPlane(): ProcessSpec[] {
  return [
    {
      // Garbage collection, namespaces, scheduling: what kube-controller-manager and kube-scheduler do, with their rights.
      name: "controllers",
      ...background,
      ...program("lab/src/controllers/main.ts", "--kubeconfig", inside.adminKubeconfig),
      after: inside.adminKubeconfig,
    },
    {
      name: "virt-controller",
      ...background,
      ...program("lab/src/kubevirt/controller-main.ts", "--kubeconfig", kubeconfigOf("virt-controller")),
      after: kubeconfigOf("virt-controller"),
    },
    {
      name: "fairlead-cluster",
      ...background,
      ...program("packages/cluster/src/main.ts", "--kubeconfig", kubeconfigOf("fairlead-cluster")),
      after: kubeconfigOf("fairlead-cluster"),
    },
  ];
}

/** Where a node's own /run and /var lie for the supervisor, which lives outside the node. */
export function inNode(node: string, path: string): string {
  if (path.startsWith("/run/")) return join(inside.nodes, node, path);
  return join(inside.nodes, node, "upper", path);
}

/** The programs of every router, with the configuration the topology names. */
export function routers(topology: Topology): ProcessSpec[] {
  return topology.nodes.flatMap((node) =>
    routerPrograms(node).map((spec) => ({
      ...spec,
      node: node.name,
      name: `${node.name}/${spec.name}`,
      isPrompt: true,
    })),
  );
}

function routerPrograms(node: TopologyNode): Omit<ProcessSpec, "node">[] {
  switch (node.kind) {
    case "bird":
      return [{ name: "bird", argv: ["bird", "-f", "-c", node.startupConfig!, "-s", "/run/bird.ctl"] }];
    case "frr":
      return frrPrograms(node).map(({ needs, ...spec }) => ({
        ...spec,
        ...(needs !== undefined && { after: inNode(node.name, needs) }),
      }));
    case "linux":
      return [];
  }
}

/** What runs on every worker. */
export function workers(topology: Topology): ProcessSpec[] {
  const kubeconfig = (account: string) => ["--kubeconfig", kubeconfigOf(account)];
  return topology.nodes
    .filter((node) => node.role === "worker")
    .flatMap(({ name: node }) => {
      const specs: (Omit<ProcessSpec, "node" | "name"> & { name: string })[] = [
        {
          name: "bird",
          isPrompt: true,
          isContainer: true,
          argv: [
            "sh",
            source("packages/bgp/entry/bird.sh"),
            "/var/lib/fairlead/bird.conf",
            "/run/fairlead/bird.ctl",
          ],
        },
        {
          name: "fairlead-node",
          ...program(
            "packages/node/src/main.ts",
            ...["--node-name", node, "--cni-bin-dir", "/opt/cni/bin"],
            ...kubeconfig("fairlead-node"),
          ),
          after: kubeconfigOf("fairlead-node"),
        },
        {
          name: "kubelet",
          ...background,
          ...program("lab/src/kubelet/main.ts", "--node-name", node, ...kubeconfig(`kubelet-${node}`)),
          after: kubeconfigOf(`kubelet-${node}`),
        },
        {
          name: "virt-handler",
          ...background,
          ...program("lab/src/kubevirt/handler-main.ts", "--node", node, ...kubeconfig("virt-handler")),
          after: kubeconfigOf("virt-handler"),
        },
      ];
      return specs.map((spec) => ({ ...spec, node, name: `${node}/${spec.name}` }));
    });
}
