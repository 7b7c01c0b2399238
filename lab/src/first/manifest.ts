import { globSync, readFileSync } from "node:fs";
import { setTimeout as delay } from "node:timers/promises";
import { type ApiClient, ApiError, isApiError, type KubernetesObject } from "@fairlead/api";
import { parseAllDocuments } from "yaml";
import { LabError, messageOf } from "../error.ts";

/** Kinds that others need come first; the rest keeps the order of the files. */
const firstKinds = ["Namespace", "CustomResourceDefinition", "ServiceAccount", "ClusterRole", "Role"];

/** Programs in containers: the lab starts them as processes instead. */
const workloads = ["DaemonSet", "Deployment"];

/** Every object of the YAML files below some directories, in an order in which they can be created. */
export function readManifests(directories: readonly string[]): KubernetesObject[] {
  const files = directories.flatMap((directory) =>
    globSync("**/*.{yaml,yml}", { cwd: directory })
      .sort()
      .map((f) => `${directory}/${f}`),
  );
  const objects = files.flatMap(objectsIn).filter(({ kind }) => !workloads.includes(kind));
  const rank = ({ kind }: KubernetesObject) =>
    firstKinds.includes(kind) ? firstKinds.indexOf(kind) : firstKinds.length;
  return objects.sort((a, b) => rank(a) - rank(b));
}

function objectsIn(file: string): KubernetesObject[] {
  return parseAllDocuments(readFileSync(file, "utf8"))
    .map((document): unknown => {
      try {
        if (document.errors[0]) throw document.errors[0];
        return document.toJS();
      } catch (error) {
        throw new LabError("StartFailed", `${file}: ${messageOf(error)}`, error);
      }
    })
    .filter((object) => object !== null)
    .flatMap((object) => {
      if (isObject(object)) return [object];
      throw new LabError("StartFailed", `${file}: a document is no Kubernetes object`);
    });
}

function isObject(value: unknown): value is KubernetesObject {
  if (typeof value !== "object" || value === null) return false;
  const { apiVersion, kind, metadata } = value as Partial<KubernetesObject>;
  return typeof apiVersion === "string" && typeof kind === "string" && typeof metadata?.name === "string";
}

interface Resource {
  readonly name: string;
  readonly kind: string;
  readonly namespaced: boolean;
}

/** Creates or updates objects of any kind, known or not: paths come from discovery. */
export class Applier {
  readonly #client: ApiClient;
  readonly #discovered = new Map<string, readonly Resource[]>();

  constructor(client: ApiClient) {
    this.#client = client;
  }

  /** Waits for kinds whose definitions have just been created. @throws LabError `StartFailed` naming the object */
  async apply(object: KubernetesObject, patience = 10_000): Promise<void> {
    const deadline = Date.now() + patience;
    for (;;) {
      try {
        const path = await this.#pathOf(object);
        await this.#createOrMerge(path, object);
        return;
      } catch (error) {
        const waits = isApiError(error, "NotFound", "NotServed", "Unavailable") && Date.now() < deadline;
        if (!waits)
          throw new LabError(
            "StartFailed",
            `cannot apply ${object.kind} ${object.metadata.name}: ${messageOf(error)}`,
            error,
          );
        this.#discovered.clear();
        await delay(50);
      }
    }
  }

  /** @param path of the collection */
  async #createOrMerge(path: string, object: KubernetesObject): Promise<void> {
    try {
      await this.#client.raw({ method: "POST", path, body: object });
    } catch (error) {
      if (!isApiError(error, "AlreadyExists")) throw error;
      await this.#client.raw({
        method: "PATCH",
        path: `${path}/${object.metadata.name}`,
        contentType: "application/merge-patch+json",
        body: object,
      });
    }
  }

  /** Path of the collection the object belongs to. */
  async #pathOf({ apiVersion, kind, metadata }: KubernetesObject): Promise<string> {
    const root = apiVersion.includes("/") ? `/apis/${apiVersion}` : `/api/${apiVersion}`;
    let resources = this.#discovered.get(apiVersion);
    if (resources === undefined) {
      const { body } = await this.#client.raw({ method: "GET", path: root });
      resources = (body as { resources?: Resource[] }).resources ?? [];
      this.#discovered.set(apiVersion, resources);
    }
    const resource = resources.find((r) => r.kind === kind && !r.name.includes("/"));
    if (resource === undefined)
      throw new ApiError("NotServed", `the API server knows no ${kind} in ${apiVersion}`);
    const scope = resource.namespaced ? `/namespaces/${metadata.namespace ?? "default"}` : "";
    return `${root}${scope}/${resource.name}`;
  }
}
