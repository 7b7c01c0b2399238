import { delimiter } from "node:path";

/**
 * The kubeconfig of a cluster that someone explicitly gave to the compliance suite, which leaves nothing in it as it was.
 * KUBECONFIG alone gives none. Undefined: none is given. Throws where it is not clear which cluster is meant.
 */
export function chosenCluster(environment: {
  readonly [name: string]: string | undefined;
}): string | undefined {
  const wanted = environment.FAIRLEAD_COMPLIANCE_USE_KUBECONFIG;
  if (wanted === undefined || wanted === "") return undefined;
  if (wanted !== "yes") throw new Error("FAIRLEAD_COMPLIANCE_USE_KUBECONFIG must be `yes`, or not set");
  const files = (environment.KUBECONFIG ?? "").split(delimiter).filter((file) => file !== "");
  if (files.length !== 1)
    throw new Error(
      `KUBECONFIG names ${files.length} files: name the one whose cluster may be used for tests`,
    );
  return files[0];
}
