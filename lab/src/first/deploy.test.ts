import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, it } from "vitest";
import { readManifests } from "./manifest.ts";
import { workspace } from "./paths.ts";

it("the manifests run BIRD as the lab does: they carry the same program", () => {
  const map = readManifests([join(workspace, "deploy")]).find(
    ({ kind, metadata }) => kind === "ConfigMap" && metadata.name === "fairlead-bird",
  ) as { readonly data: Readonly<Record<string, string>> } | undefined;
  expect(map?.data).toEqual({
    "bird.sh": readFileSync(join(workspace, "packages/bgp/entry/bird.sh"), "utf8"),
  });
});
