import type { IncomingMessage } from "node:http";
import { Agent, request as httpsRequest, type RequestOptions } from "node:https";
import { parse } from "yaml";
import { isObject, type Json, type JsonObject, listAt, parseJson, stringAt, stringifyJson } from "./json.ts";

export interface Answer {
  readonly code: number;
  readonly headers: IncomingMessage["headers"];
  readonly text: string;
  /** The body, if it is JSON. */
  readonly json: JsonObject;
}

export interface Call {
  readonly method?: string;
  readonly path: string;
  readonly body?: Json | string;
  readonly headers?: { readonly [name: string]: string };
  /** Milliseconds; default 15000. */
  readonly timeoutMs?: number;
}

/** An entry of a list of a kubeconfig. Throws if it is not there: no other cluster is meant. */
function named(config: Json, list: string, name: string | undefined): Json {
  const entry = listAt(config, list).find((one) => stringAt(one, "name") === name);
  if (entry === undefined)
    throw new Error(`the kubeconfig has no "${name ?? ""}" among its ${list}: set its current-context`);
  return entry;
}

/** Plain HTTPS to an API server, for what knows no kinds: controllers of everything, and the compliance suite. */
export class Connection {
  readonly #options: RequestOptions;
  readonly #agent: Agent;
  readonly #token: string | undefined;

  /** `token` overrides the credentials of the kubeconfig. */
  constructor(kubeconfig: string, token?: string) {
    const config: Json = parse(kubeconfig);
    const context = named(config, "contexts", stringAt(config, "current-context"));
    const cluster = named(config, "clusters", stringAt(context, "context", "cluster"));
    const user = named(config, "users", stringAt(context, "context", "user"));
    const url = new URL(stringAt(cluster, "cluster", "server") ?? "");
    const pem = (value: string | undefined): Buffer | undefined =>
      value === undefined ? undefined : Buffer.from(value, "base64");
    this.#token = token ?? stringAt(user, "user", "token");
    // No limit: the garbage collector holds one watch for each kind, and a request must never queue behind those.
    this.#agent = new Agent({ keepAlive: true, scheduling: "lifo" });
    this.#options = {
      host: url.hostname.replace(/^\[|\]$/g, ""),
      port: url.port || 443,
      agent: this.#agent,
      ca: pem(stringAt(cluster, "cluster", "certificate-authority-data")),
      ...(token === undefined
        ? {
            cert: pem(stringAt(user, "user", "client-certificate-data")),
            key: pem(stringAt(user, "user", "client-key-data")),
          }
        : {}),
    };
  }

  /** One request and its answer, whatever its code. Rejects when the server cannot be reached. */
  async call({ method = "GET", path, body, headers = {}, timeoutMs = 15_000 }: Call): Promise<Answer> {
    const payload = body === undefined ? undefined : typeof body === "string" ? body : stringifyJson(body);
    const response = await this.#open(method, path, payload, headers, timeoutMs);
    const chunks: Buffer[] = [];
    for await (const chunk of response) chunks.push(chunk as Buffer);
    const text = Buffer.concat(chunks).toString();
    const isJson = response.headers["content-type"]?.startsWith("application/json");
    const json: Json = isJson ? parseJson(text) : {};
    return {
      code: response.statusCode ?? 0,
      headers: response.headers,
      text,
      json: isObject(json) ? json : {},
    };
  }

  /** The events of a watch, until the server ends it or `signal` aborts. */
  async *watch(
    path: string,
    signal: AbortSignal,
    headers: { readonly [name: string]: string } = {},
  ): AsyncGenerator<{ readonly type: string; readonly object: JsonObject }> {
    const response = await this.#open("GET", path, undefined, headers, 0, signal);
    let rest = "";
    try {
      for await (const chunk of response) {
        rest += String(chunk);
        const lines = rest.split("\n");
        rest = lines.pop() ?? "";
        for (const line of lines)
          if (line !== "") yield parseJson(line) as { type: string; object: JsonObject };
      }
    } catch (error) {
      if (!signal.aborted) throw error;
    } finally {
      response.destroy();
    }
  }

  close(): void {
    this.#agent.destroy();
  }

  #open(
    method: string,
    path: string,
    body: string | undefined,
    headers: { readonly [name: string]: string },
    timeout: number,
    signal?: AbortSignal,
  ): Promise<IncomingMessage> {
    return new Promise((resolve, reject) => {
      const request = httpsRequest(
        {
          ...this.#options,
          method,
          path,
          ...(timeout > 0 ? { timeout } : {}),
          ...(signal ? { signal } : {}),
          headers: {
            accept: "application/json",
            "user-agent": "fairlead-lab",
            ...(this.#token ? { authorization: `Bearer ${this.#token}` } : {}),
            ...(body === undefined
              ? {}
              : { "content-type": "application/json", "content-length": Buffer.byteLength(body) }),
            ...headers,
          },
        },
        resolve,
      );
      request.on("timeout", () =>
        request.destroy(new Error(`no answer to ${method} ${path} within ${timeout} ms`)),
      );
      request.on("error", reject);
      request.end(body);
    });
  }
}
