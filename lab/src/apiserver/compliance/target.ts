import { randomBytes } from "node:crypto";
import { expect } from "vitest";
import type { Answer, Connection } from "../connection.ts";
import type { JsonObject } from "../json.ts";

/** An API server under test: ours, or a real one. */
export interface Target {
  readonly kubeconfig: string;
  readonly admin: Connection;
  /** Only what our own server lets a test do. */
  readonly compact?: () => void;
  /** A connection that speaks for a service account without any rights. */
  serviceAccount(namespace: string, name: string): Promise<Connection>;
}

/** A case is written once and gets the server it runs against when it runs. */
export type Subject = () => Target;

export const uniqueName = (prefix = "t"): string => `${prefix}-${randomBytes(4).toString("hex")}`;

/** Requests as verbs, failing the test when the server answers otherwise than expected. */
export class Client {
  readonly connection: Connection;

  constructor(connection: Connection) {
    this.connection = connection;
  }

  async get(path: string, code = 200, headers: { [name: string]: string } = {}): Promise<JsonObject> {
    return this.#expect(await this.connection.call({ path, headers }), code);
  }

  async post(path: string, body: JsonObject, code = 201): Promise<JsonObject> {
    return this.#expect(await this.connection.call({ method: "POST", path, body }), code);
  }

  async put(path: string, body: JsonObject, code = 200): Promise<JsonObject> {
    return this.#expect(await this.connection.call({ method: "PUT", path, body }), code);
  }

  async patch(
    path: string,
    type: PatchType,
    body: JsonObject | JsonObject[],
    code = 200,
  ): Promise<JsonObject> {
    const headers = { "content-type": patchTypes[type] };
    return this.#expect(await this.connection.call({ method: "PATCH", path, body, headers }), code);
  }

  async delete(path: string, body?: JsonObject, code = 200): Promise<JsonObject> {
    return this.#expect(
      await this.connection.call({ method: "DELETE", path, ...(body ? { body } : {}) }),
      code,
    );
  }

  async namespace(): Promise<string> {
    const name = uniqueName("compliance");
    await this.post("/api/v1/namespaces", { apiVersion: "v1", kind: "Namespace", metadata: { name } });
    return name;
  }

  #expect(answer: Answer, code: number): JsonObject {
    expect(answer.code, answer.text).toBe(code);
    return answer.json;
  }
}

const patchTypes = {
  json: "application/json-patch+json",
  merge: "application/merge-patch+json",
  strategic: "application/strategic-merge-patch+json",
  apply: "application/apply-patch+yaml",
} as const;
export type PatchType = keyof typeof patchTypes;

/** Asks again until the condition holds. */
export async function eventually<T>(check: () => Promise<T | undefined>, timeoutMs = 10_000): Promise<T> {
  const deadline = performance.now() + timeoutMs;
  for (;;) {
    const value = await check();
    if (value !== undefined) return value;
    if (performance.now() > deadline) throw new Error(`not so within ${timeoutMs} ms: ${check}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

export const configMap = (name: string, data: JsonObject = {}, metadata: JsonObject = {}): JsonObject => ({
  apiVersion: "v1",
  kind: "ConfigMap",
  metadata: { name, ...metadata },
  data,
});

export const pod = (name: string, spec: JsonObject = {}): JsonObject => ({
  apiVersion: "v1",
  kind: "Pod",
  metadata: { name },
  spec: { containers: [{ name: "main", image: "example.org/main:1" }], ...spec },
});
