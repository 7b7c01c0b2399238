import type {
  ApiClient,
  CallOptions,
  DeleteOptions,
  ListOptions,
  ObjectList,
  PatchOptions,
  RawRequest,
  RawResponse,
  WatchEvent,
  WatchOptions,
  WriteOptions,
} from "../client.ts";
import { ApiError, isApiError, type Status } from "../error.ts";
import { parseJson, stringifyJson } from "../json.ts";
import { pathOf, type ResourceKind } from "../kind.ts";
import type { ObjectMeta, ObjectRef } from "../object.ts";
import { decode } from "../schema.ts";
import { lines } from "./lines.ts";
import type { HttpRequest, HttpResponse, Transport } from "./transport.ts";

const patchTypes: Readonly<Record<PatchOptions["type"], string>> = {
  merge: "application/merge-patch+json",
  json: "application/json-patch+json",
  strategic: "application/strategic-merge-patch+json",
  apply: "application/apply-patch+yaml",
};

/** A watch that says nothing for so long (bookmarks come about once a minute) may hang on a dead connection. */
const watchIdleMs = 100_000;

type Query = Readonly<Record<string, string | number | boolean | undefined>>;

/** The Kubernetes REST protocol over a transport. */
export class HttpApiClient implements ApiClient {
  readonly #open: () => Promise<Transport>;
  readonly #timeoutMs: number;
  #transport: Promise<Transport> | undefined;
  #isClosed = false;

  constructor(open: () => Promise<Transport>, requestTimeoutMs: number) {
    this.#open = open;
    this.#timeoutMs = requestTimeoutMs;
  }

  async get<T>(kind: ResourceKind<T, never>, ref: ObjectRef, options: CallOptions = {}): Promise<T> {
    return decode(kind, await this.#json("GET", pathOf(kind, ref), {}, options));
  }

  async list<T>(kind: ResourceKind<T, never>, options: ListOptions = {}): Promise<ObjectList<T>> {
    const { namespace, signal, ...query } = options;
    const list = (await this.#json("GET", pathOf(kind, { namespace }), query, { signal })) as {
      items?: object[];
      metadata?: { resourceVersion?: string; continue?: string };
    };
    const { apiVersion } = kind;
    // Items of a list carry neither; everybody downstream wants both.
    const items = (list.items ?? []).map((item) => decode(kind, { apiVersion, kind: kind.kind, ...item }));
    return {
      items,
      resourceVersion: list.metadata?.resourceVersion ?? "",
      continue: list.metadata?.continue || undefined,
    };
  }

  async create<T, D>(kind: ResourceKind<T, D>, object: NoInfer<D>, options: WriteOptions = {}): Promise<T> {
    const { namespace } = (object as { metadata: ObjectMeta }).metadata;
    const body = { apiVersion: kind.apiVersion, kind: kind.kind, ...(object as object) };
    return decode(
      kind,
      await this.#json("POST", pathOf(kind, { namespace }), writeQuery(options), options, body),
    );
  }

  replace<T extends { metadata: ObjectMeta }>(
    kind: ResourceKind<T, never>,
    object: NoInfer<T>,
    options: WriteOptions = {},
  ): Promise<T> {
    return this.#put(kind, pathOf(kind, object.metadata), object, options);
  }

  replaceStatus<T extends { metadata: ObjectMeta }>(
    kind: ResourceKind<T, never>,
    object: NoInfer<T>,
    options: WriteOptions = {},
  ): Promise<T> {
    return this.#put(kind, `${pathOf(kind, object.metadata)}/status`, object, options);
  }

  async patch<T>(
    kind: ResourceKind<T, never>,
    ref: ObjectRef,
    patch: unknown,
    options: PatchOptions,
  ): Promise<T> {
    const { type, subresource, force } = options;
    const path = pathOf(kind, ref) + (subresource === undefined ? "" : `/${subresource}`);
    const query = { ...writeQuery(options), force: type === "apply" ? force : undefined };
    return decode(kind, await this.#json("PATCH", path, query, options, patch, patchTypes[type]));
  }

  async delete<T>(kind: ResourceKind<T, never>, ref: ObjectRef, options: DeleteOptions = {}): Promise<void> {
    const { signal, ...rest } = options;
    const body = { apiVersion: "v1", kind: "DeleteOptions", ...rest };
    await this.#json("DELETE", pathOf(kind, ref), {}, { signal }, body);
  }

  async *watch<T>(kind: ResourceKind<T, never>, options: WatchOptions): AsyncGenerator<WatchEvent<T>> {
    const { namespace, signal, ...selection } = options;
    // The spread keeps a fleet's watches from ending together.
    const timeoutSeconds = 300 + Math.floor(Math.random() * 300);
    const query = { ...selection, watch: true, allowWatchBookmarks: true, timeoutSeconds };
    const path = pathOf(kind, { namespace }) + formatQuery(query);
    const name = `watch ${path}`;
    try {
      const response = await this.#send({ method: "GET", path, signal, idleMs: watchIdleMs }, signal);
      if (response.status >= 400) throw await failure(name, response);
      for await (const line of lines(response.chunks())) {
        const event = parseEvent(kind, name, line);
        if (event) yield event;
      }
    } catch (error) {
      signal.throwIfAborted();
      // A cut stream is the ordinary end of a watch; the caller resumes from the last revision it saw.
      if (isApiError(error) || !isStreamEnd(error)) throw asApiError(name, error);
    }
  }

  async raw(request: RawRequest): Promise<RawResponse> {
    const { method, path, query = {}, body, contentType, signal } = request;
    const text = body === undefined ? undefined : stringifyJson(body);
    const url = path + formatQuery(query);
    const [response, answer] = await this.#exchange({ method, path: url, body: text, contentType }, signal);
    if (response.status >= 400) throw statusError(`${method} ${path}`, response, answer);
    return { status: response.status, body: parseAnswer(answer) };
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    const transport = await this.#transport?.catch(() => undefined);
    await transport?.close();
  }

  async #put<T>(kind: ResourceKind<T, never>, path: string, object: T, options: WriteOptions): Promise<T> {
    const body = { ...(object as object), apiVersion: kind.apiVersion, kind: kind.kind };
    return decode(kind, await this.#json("PUT", path, writeQuery(options), options, body));
  }

  async #json(
    method: HttpRequest["method"],
    path: string,
    query: Query,
    { signal }: CallOptions,
    body?: unknown,
    contentType?: string,
  ): Promise<object> {
    const text = body === undefined ? undefined : stringifyJson(body);
    const request = { method, path: path + formatQuery(query), body: text, contentType };
    const [response, answer] = await this.#exchange(request, signal);
    if (response.status >= 400) throw statusError(`${method} ${path}`, response, answer);
    return parseAnswer(answer) as object;
  }

  /** Sends and reads the whole answer within the request timeout. */
  async #exchange(
    request: Omit<HttpRequest, "signal">,
    given?: AbortSignal,
  ): Promise<[HttpResponse, string]> {
    given?.throwIfAborted();
    // Loading the network stack and the credentials does not count: it happens once.
    await this.#connected();
    const deadline = AbortSignal.timeout(this.#timeoutMs);
    const signal = given ? AbortSignal.any([given, deadline]) : deadline;
    const name = `${request.method} ${request.path}`;
    try {
      const response = await this.#send({ ...request, signal }, signal);
      return [response, await response.text()];
    } catch (error) {
      given?.throwIfAborted();
      if (deadline.aborted)
        throw new ApiError("Timeout", `${name}: no answer within ${this.#timeoutMs} ms`, { cause: error });
      throw asApiError(name, error);
    }
  }

  async #send(request: HttpRequest, signal: AbortSignal): Promise<HttpResponse> {
    const transport = await this.#connected();
    signal.throwIfAborted();
    try {
      return await transport.request(request);
    } catch (error) {
      // The server closed an idle connection just as we took it. Reading again is harmless.
      if (request.method !== "GET" || !isStreamEnd(error)) throw error;
      return await transport.request(request);
    }
  }

  #connected(): Promise<Transport> {
    if (this.#isClosed) return Promise.reject(new ApiError("Unavailable", "the client is closed"));
    this.#transport ??= this.#open().catch((error: unknown) => {
      // The kubeconfig may be there next time.
      this.#transport = undefined;
      throw error;
    });
    return this.#transport;
  }
}

function writeQuery({ dryRun, fieldManager }: WriteOptions): Query {
  return { dryRun: dryRun ? "All" : undefined, fieldManager };
}

function formatQuery(query: Query): string {
  const parameters = new URLSearchParams();
  for (const [key, value] of Object.entries(query))
    if (value !== undefined && value !== "") parameters.set(key, String(value));
  const text = parameters.toString();
  return text === "" ? "" : `?${text}`;
}

function parseEvent<T>(kind: ResourceKind<T, never>, name: string, line: string): WatchEvent<T> | undefined {
  const { type, object } = parseJson(line) as {
    type: string;
    object: { metadata?: { resourceVersion?: string } };
  };
  switch (type) {
    case "ADDED":
    case "MODIFIED":
    case "DELETED":
      return { type, object: decode(kind, object) };
    case "BOOKMARK":
      return { type, resourceVersion: object.metadata?.resourceVersion ?? "" };
    case "ERROR": {
      const status = object as Status;
      throw ApiError.fromStatus(name, status.code ?? 500, status);
    }
    default:
      return undefined;
  }
}

function parseAnswer(text: string): unknown {
  try {
    return text === "" ? undefined : parseJson(text);
  } catch {
    // Health checks and proxies answer in plain words.
    return text;
  }
}

async function failure(name: string, response: HttpResponse): Promise<ApiError> {
  return statusError(name, response, await response.text());
}

function statusError(name: string, { status, retryAfterSeconds }: HttpResponse, text: string): ApiError {
  const answer = parseAnswer(text);
  const details =
    typeof answer === "object" && answer !== null ? (answer as Status) : { message: text.slice(0, 300) };
  return ApiError.fromStatus(name, status, details, retryAfterSeconds);
}

const streamEnds = new Set([
  "UND_ERR_SOCKET",
  "UND_ERR_BODY_TIMEOUT",
  "ECONNRESET",
  "EPIPE",
  "UND_ERR_ABORTED",
]);

function isStreamEnd(error: unknown): boolean {
  return error instanceof Error && (streamEnds.has(codeOf(error)) || error.message === "terminated");
}

function codeOf(error: Error): string {
  return String(
    (error as NodeJS.ErrnoException).code ?? (error.cause as NodeJS.ErrnoException | undefined)?.code ?? "",
  );
}

function asApiError(name: string, error: unknown): ApiError {
  if (isApiError(error)) return error;
  const reason =
    error instanceof Error ? [codeOf(error), error.message].filter(Boolean).join(" ") : String(error);
  const code = /TIMEOUT|ETIMEDOUT/.test(reason) ? "Timeout" : "Unavailable";
  return new ApiError(code, `${name}: ${reason}`, { cause: error });
}
