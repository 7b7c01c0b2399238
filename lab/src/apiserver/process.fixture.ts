import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { setTimeout as delay } from "node:timers/promises";
import { type ApiClient, createApiClient, isApiError, type KubernetesObject } from "@fairlead/api";
import { Applier, readManifests } from "../first/manifest.ts";
import { workspace } from "../first/paths.ts";

/** The API server as a process of its own on a free port of 127.0.0.1, for tests and benchmarks of any package. */
export interface ServerProcess extends AsyncDisposable {
  /** A member of system:masters. */
  readonly kubeconfig: string;
  readonly port: number;
}

/** Starts it empty but for the definitions: those of deploy/crds and, with `kubeVirt`, KubeVirt's. */
export async function startServerProcess(options: { kubeVirt?: boolean } = {}): Promise<ServerProcess> {
  const directory = mkdtempSync(join(tmpdir(), "fairlead-apiserver-"));
  const main = join(import.meta.dirname, "main.ts");
  const child = spawn(process.execPath, [main, "--dir", directory], { stdio: ["ignore", "pipe", "inherit"] });
  const gone = once(child, "exit");
  const stop = async () => {
    child.kill("SIGKILL");
    await gone;
    rmSync(directory, { recursive: true, force: true });
  };
  try {
    const port = Number(new URL(await readyUrl(child.stdout)).port);
    const kubeconfig = join(directory, "admin.kubeconfig");
    await define(kubeconfig, ["deploy/crds", ...(options.kubeVirt ? ["lab/manifests/kubevirt"] : [])]);
    return { kubeconfig, port, [Symbol.asyncDispose]: stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

async function readyUrl(output: NodeJS.ReadableStream): Promise<string> {
  for await (const line of createInterface({ input: output })) {
    const [word, url] = line.split(" ");
    if (word === "ready" && url) return url;
  }
  throw new Error("the API server ended before it was ready");
}

/** Creates the definitions and waits until every kind is served. */
async function define(kubeconfig: string, directories: readonly string[]): Promise<void> {
  const client = createApiClient({ kubeconfig });
  try {
    const applier = new Applier(client);
    const definitions = readManifests(directories.map((directory) => join(workspace, directory))).filter(
      isDefinition,
    );
    for (const definition of definitions) await applier.apply(definition);
    const deadline = Date.now() + 20_000;
    for (const { spec } of definitions)
      for (const { name: version } of spec.versions)
        await untilServed(client, `/apis/${spec.group}/${version}/${spec.names.plural}`, deadline);
  } finally {
    await client.close();
  }
}

interface Definition extends KubernetesObject {
  readonly spec: {
    readonly group: string;
    readonly names: { readonly plural: string };
    readonly versions: readonly { readonly name: string }[];
  };
}

const isDefinition = (object: KubernetesObject): object is Definition =>
  object.kind === "CustomResourceDefinition";

async function untilServed(client: ApiClient, path: string, deadline: number): Promise<void> {
  for (;;)
    try {
      await client.raw({ method: "GET", path });
      return;
    } catch (error) {
      if (!isApiError(error, "NotServed") || Date.now() > deadline) throw error;
      await delay(20);
    }
}
