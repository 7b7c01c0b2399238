import { dirname, join, resolve } from "node:path";
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
  /** The host's directories that the lab and its nodes see copies of. */
  originals: "/run/lab/originals",
  /** FRR as Debian's packages lay it out below `/`, where a machine of the topology runs it. */
  frr: "/run/lab/frr",
  namespaces: "/run/netns",
} as const;

/** The root of the workspace. */
export const workspace = dirname(dirname(dirname(dirname(fileURLToPath(import.meta.url)))));

const usualOut = join(workspace, "lab", "out");

/** What the lab leaves on the host: its state file and logs. Another directory is another lab beside the first. */
export const outDirectory = resolve(process.env.FAIRLEAD_LAB_OUT || usualOut);
export const stateFile = join(outDirectory, "lab.json");
/** Held while a lab is started. */
export const startFile = join(outDirectory, "starting.json");
export const logDirectory = join(outDirectory, "logs");
/** What Node.js has compiled: the same for every lab of this checkout. */
export const compileCache = join(usualOut, "compile-cache");
/** Directories that stay the host's in every mount namespace of the lab. */
export const kept = [workspace, outDirectory] as const;

/** Three workers, a top-of-rack router and an external client. */
export const defaultTopology = join(workspace, "lab", "topologies", "three-workers.clab.yml");

/** The CNI configuration of every worker. */
export const networkConfig = join(workspace, "lab", "config", "10-calico.conflist");
