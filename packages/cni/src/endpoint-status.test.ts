import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, it } from "vitest";
import { call, pod } from "./calls.fixture.ts";
import { createCni } from "./cni.ts";
import { statusFileName } from "./endpoint-status.ts";
import { createFakeComponents } from "./fake.ts";

let directory: string;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "fairlead-status-"));
});
afterEach(() => rmSync(directory, { recursive: true }));

it("pods with the longest names have status files of their own, which end with them", async () => {
  const namespace = "n".repeat(63);
  const names = ["a", "b"].map((end) => "p".repeat(252) + end);
  const workloads = names.map((name) => {
    const [, workload] = pod("web");
    return [`${namespace}/${name}`, { ...workload, pod: { ...workload.pod, namespace, name } }] as const;
  });
  const components = createFakeComponents(new Map(workloads));
  const cni = createCni(components);
  const run = (command: string, name: string) =>
    cni.handle(
      call(command, {
        env: {
          CNI_CONTAINERID: name.slice(-1).repeat(64),
          CNI_NETNS: `/run/netns/${name.slice(-1)}`,
          CNI_ARGS: `K8S_POD_NAMESPACE=${namespace};K8S_POD_NAME=${name}`,
        },
        config: { endpoint_status_dir: directory },
      }),
    );
  for (const name of names) expect(await run("ADD", name)).toMatchObject({ exitCode: 0 });
  expect(readdirSync(directory)).toHaveLength(2);
  for (const name of names) expect(await run("DEL", name)).toMatchObject({ exitCode: 0 });
  expect([readdirSync(directory), components.statusFiles.owed()]).toEqual([[], []]);
});

it.each([63, 193, 200, 253])("a pod's name of %i characters makes a name that a file may have", (length) => {
  const name = statusFileName({
    pod: { namespace: "n".repeat(63), name: "p".repeat(length), uid: "" },
    ifName: "éééééé0",
  });
  expect(Buffer.byteLength(`${name}.tmp`)).toBeLessThanOrEqual(255);
});
