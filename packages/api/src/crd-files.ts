import { mkdirSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { stringify } from "yaml";
import { ownCrds } from "./crd.ts";

/** `deploy/crds` of the repository. */
export const crdDirectory = join(dirname(fileURLToPath(import.meta.url)), "../../../deploy/crds");

/** File name → YAML of every CRD of ours. */
export function crdFiles(): Map<string, string> {
  const header =
    "# Generated from packages/api/src/resources by `pnpm --filter @fairlead/api crds`. Do not edit.\n";
  const yaml = { aliasDuplicateObjects: false, lineWidth: 110 };
  return new Map(ownCrds().map((crd) => [`${crd.metadata.name}.yaml`, header + stringify(crd, yaml)]));
}

/** `node src/crd-files.ts` writes them. */
if (import.meta.main) {
  mkdirSync(crdDirectory, { recursive: true });
  for (const [name, text] of crdFiles()) writeFileSync(join(crdDirectory, name), text);
}
