import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { onTestFinished } from "vitest";
import { call } from "./calls.fixture.ts";
import { type Cni, createCni } from "./cni.ts";
import type { Workload } from "./components.ts";
import { createFakeComponents } from "./fake.ts";

/** A node of fakes with the real plug-in on it. `run` is what a runtime does: one call, and its answer read. */
export function createFakeNode(...pods: readonly [string, Workload][]) {
  const statusDir = mkdtempSync(join(tmpdir(), "fairlead-status-"));
  onTestFinished(() => rmSync(statusDir, { recursive: true }));
  const workloads = new Map(pods);
  const components = createFakeComponents(workloads);
  const cni = createCni(components);

  async function run(command: string, sandbox: Sandbox, config: object = {}, by: Cni = cni) {
    const { pod, id, namespace = "default", ifName = "eth0", netns = `/run/netns/${id}` } = sandbox;
    const answer = await by.handle(
      call(command, {
        env: {
          CNI_ARGS: `K8S_POD_NAMESPACE=${namespace};K8S_POD_NAME=${pod}`,
          CNI_CONTAINERID: id,
          CNI_NETNS: netns,
          CNI_IFNAME: ifName,
        },
        config: { endpoint_status_dir: statusDir, ...config },
      }),
    );
    return { exitCode: answer.exitCode, body: answer.stdout === "" ? undefined : JSON.parse(answer.stdout) };
  }

  return {
    components,
    workloads,
    run,
    statusFiles: () => readdirSync(statusDir),
    endpoints: () => [...components.endpoints.present.values()].map(({ containerId }) => containerId),
    sandboxes: () => components.attachments.list().map(({ containerId }) => containerId),
  };
}

/** A container of a pod. */
export interface Sandbox {
  readonly pod: string;
  readonly id: string;
  readonly namespace?: string;
  readonly ifName?: string;
  readonly netns?: string;
}
