/** Runs the examples of our documents that need a cluster, in one with a VM. */
import { copyFileSync, mkdirSync } from "node:fs";
import { createApiClient } from "@fairlead/api";
import { createVm, deleteVm, inside, waitUntilRunning } from "@fairlead/lab";
import { afterAll, beforeAll, expect, it } from "vitest";
import { examplesOf, readDocuments } from "../../scripts/documents.ts";
import { placeExamples, runExample } from "../../scripts/examples.ts";

const client = createApiClient({ kubeconfig: inside.adminKubeconfig });
const examples = examplesOf(readDocuments()).filter(({ needs }) => needs === "cluster");
const placed = placeExamples(examples);

beforeAll(async () => {
  // The lab's own /etc: a copy in memory.
  mkdirSync("/etc/fairlead", { recursive: true });
  copyFileSync(inside.adminKubeconfig, "/etc/fairlead/kubeconfig");
  await createVm(client, "example");
  await waitUntilRunning(client, "example");
});
afterAll(async () => {
  placed[Symbol.dispose]();
  await deleteVm(client, "example");
  await client.close();
});

it("finds examples", () => {
  expect(examples.length).toBeGreaterThan(2);
});

it.each([...placed.files].map(([{ name }, file]) => ({ name, file })))("$name runs", ({ file }) =>
  runExample(file),
);
