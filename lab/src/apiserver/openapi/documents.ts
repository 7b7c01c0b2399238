import { createHash } from "node:crypto";
import { type JsonObject, stringifyJson } from "../json.ts";
import type { Registry } from "../kinds/registry.ts";
import type { Resource } from "../kinds/resource.ts";
import { model } from "../schema/models.ts";
import type { Schema } from "../schema/schema.ts";
import { Emitter } from "./emit.ts";
import { kindName } from "./names.ts";
import { resourcePaths } from "./paths.ts";
import { encodeDocument } from "./protobuf.ts";

/** The OpenAPI documents of everything served, made when asked for and again when the set of resources changes. */
export class OpenApi {
  readonly #registry: Registry;
  readonly #cache = new Map<string, { readonly generation: number; readonly bytes: Buffer }>();

  constructor(registry: Registry) {
    this.#registry = registry;
  }

  /** `/openapi/v3`: where the document of each group and version is. */
  index(): JsonObject {
    const paths: JsonObject = {};
    for (const resource of this.#registry.all()) {
      const path = pathOf(resource);
      if (paths[path]) continue;
      const hash = createHash("sha256").update(`${path} ${this.#registry.generation}`).digest("hex");
      paths[path] = { serverRelativeURL: `/openapi/v3/${path}?hash=${hash}` };
    }
    return { paths };
  }

  /** `/openapi/v3/apis/GROUP/VERSION`. Undefined: not served. */
  group(path: string): Buffer | undefined {
    const resources = this.#registry.all().filter((resource) => pathOf(resource) === path);
    if (resources.length === 0) return undefined;
    return this.#cached(`3 ${path}`, () => json(document3(resources)));
  }

  /** `/openapi/v2` as JSON. */
  swagger(): Buffer {
    return this.#cached("2", () => json(document2(this.#registry.all())));
  }

  /** `/openapi/v2` as gnostic's protobuf message, which kubectl before 1.27 asks for. */
  swaggerProtobuf(): Buffer {
    return this.#cached("2 protobuf", () => Buffer.from(encodeDocument(document2(this.#registry.all()))));
  }

  #cached(key: string, make: () => Buffer): Buffer {
    const generation = this.#registry.generation;
    const known = this.#cache.get(key);
    if (known?.generation === generation) return known.bytes;
    const bytes = make();
    this.#cache.set(key, { generation, bytes });
    return bytes;
  }
}

const json = (value: JsonObject): Buffer => Buffer.from(stringifyJson(value));

const pathOf = (resource: Resource): string =>
  resource.group === "" ? `api/${resource.version}` : `apis/${resource.group}/${resource.version}`;

const info = { title: "Kubernetes", version: "v1.32.0" };

function define(emitter: Emitter, resource: Resource): void {
  const gvk = (kind: string): JsonObject => ({
    "x-kubernetes-group-version-kind": [{ group: resource.group, kind, version: resource.version }],
  });
  const name = kindName(resource);
  const schema = resource.custom ? withMetadata(resource.schema()) : resource.schema();
  emitter.define(name, schema, gvk(resource.kind));
  if (!resource.verbs.includes("list")) return;
  const list: Schema = {
    type: "object",
    description: `${resource.listKind} is a list of ${resource.kind}`,
    required: ["items"],
    properties: {
      apiVersion: { type: "string" },
      kind: { type: "string" },
      metadata: model("V1ListMeta"),
    },
  };
  emitter.define(
    `${name.slice(0, name.lastIndexOf("."))}.${resource.listKind}`,
    list,
    gvk(resource.listKind),
  );
}

const withMetadata = (schema: Schema): Schema => ({
  ...schema,
  properties: { ...schema.properties, metadata: model("V1ObjectMeta") },
});

function document3(resources: readonly Resource[]): JsonObject {
  const emitter = new Emitter(3);
  for (const resource of resources) define(emitter, resource);
  return {
    openapi: "3.0.0",
    info,
    paths: Object.assign({}, ...resources.map((resource) => resourcePaths(resource, 3))),
    components: { schemas: emitter.definitions },
  };
}

function document2(resources: readonly Resource[]): JsonObject {
  const emitter = new Emitter(2);
  for (const resource of resources) define(emitter, resource);
  return {
    swagger: "2.0",
    info,
    paths: Object.assign({}, ...resources.map((resource) => resourcePaths(resource, 2))),
    definitions: emitter.definitions,
  };
}
