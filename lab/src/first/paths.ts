import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

/** Where things lie inside the lab's own mount namespace (its /run is a tmpfs nobody else sees). */
export const inside = {
  directory: "/run/lab",
  control: "/run/lab/control.sock",
  /** API server's state and the kubeconfigs. */
  cluster: "/run/lab/cluster",
  kubeconfigs: "/run/lab/kubeconfigs",
  adminKubeconfig: "/run/lab/cluster/admin.kubeconfig",
  nodes: "/run/lab/nodes",
  namespaces: "/run/netns",
} as const;

/** The root of the workspace. */
export const workspace = dirname(dirname(dirname(dirname(fileURLToPath(import.meta.url)))));

/** What the lab leaves on the host: its state file and logs. */
export const outDirectory = join(workspace, "lab", "out");
export const stateFile = join(outDirectory, "lab.json");
export const logDirectory = join(outDirectory, "logs");

/** Three workers, a top-of-rack router and an external client. */
export const defaultTopology = join(workspace, "lab", "topologies", "three-workers.clab.yml");

/** The CNI configuration of every worker. */
export const networkConfig = join(workspace, "lab", "config", "10-calico.conflist");
