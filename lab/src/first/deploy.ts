import { join } from "node:path";
import type { KubernetesObject } from "@fairlead/api";
import { run } from "../command.ts";
import { readManifests } from "./manifest.ts";
import { inside, workspace } from "./paths.ts";

const directory = join(workspace, "deploy");

/**
 * Installs Fairlead's objects as `deploy/README.md` tells a user to, with the user's own program: what a user applies later is then
 * merged with what was applied here, as on any cluster. Only the programs in containers are left out.
 */
export async function applyDeployment(): Promise<void> {
  const kubectl = ["kubectl", "--kubeconfig", inside.adminKubeconfig];
  const crds = join(directory, "crds");
  await run([...kubectl, "apply", "-f", crds]);
  await run([...kubectl, "wait", "--for=condition=Established", "-f", crds]);
  const isDefinition = ({ kind }: KubernetesObject) => kind === "CustomResourceDefinition";
  const items = readManifests([directory]).filter((object) => !isDefinition(object));
  const input = JSON.stringify({ apiVersion: "v1", kind: "List", items });
  await run([...kubectl, "apply", "-f", "-"], { input });
}
