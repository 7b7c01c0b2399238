import { Agent, type Dispatcher, ProxyAgent, request as send } from "undici";
import { ApiError } from "../error.ts";
import { type Credentials, loadCredentials } from "./credentials.ts";
import type { CredentialSource } from "./kubeconfig.ts";

export interface HttpRequest {
  readonly method: "GET" | "POST" | "PUT" | "PATCH" | "DELETE";
  /** Path and query. */
  readonly path: string;
  readonly body?: string | undefined;
  readonly contentType?: string | undefined;
  readonly signal: AbortSignal;
  /** A stream with a silence of this many milliseconds is dead. 0 for requests, whose signal bounds them. */
  readonly idleMs?: number;
}

export interface HttpResponse {
  readonly status: number;
  readonly retryAfterSeconds: number | undefined;
  text(): Promise<string>;
  chunks(): AsyncIterable<Uint8Array>;
}

export interface Transport {
  request(request: HttpRequest): Promise<HttpResponse>;
  close(): Promise<void>;
}

/** Credentials are looked at again this often: tokens and certificates rotate. */
const credentialsAgeMs = 30_000;

/** Speaks HTTP with keep-alive connections to the server of a kubeconfig. */
export async function openTransport(source: CredentialSource, userAgent: string): Promise<Transport> {
  return new UndiciTransport(source, userAgent, await loadCredentials(source));
}

class UndiciTransport implements Transport {
  readonly #source: CredentialSource;
  readonly #userAgent: string;
  #credentials: Credentials;
  #loadedAt = performance.now();
  #dispatcher: Dispatcher;

  constructor(source: CredentialSource, userAgent: string, credentials: Credentials) {
    this.#source = source;
    this.#userAgent = userAgent;
    this.#credentials = credentials;
    this.#dispatcher = dispatcherFor(credentials);
  }

  async request(request: HttpRequest): Promise<HttpResponse> {
    if (performance.now() - this.#loadedAt > credentialsAgeMs) await this.#reload();
    const response = await this.#send(request);
    if (response.status !== 401) return response;
    // The token may have been replaced since we read it.
    const text = await response.text();
    return (await this.#reload()) ? this.#send(request) : { ...response, text: () => Promise.resolve(text) };
  }

  close(): Promise<void> {
    return this.#dispatcher.destroy();
  }

  async #send(request: HttpRequest): Promise<HttpResponse> {
    const { method, body, signal, contentType = "application/json", idleMs = 0 } = request;
    const {
      statusCode,
      headers,
      body: stream,
    } = await send(this.#credentials.server + request.path, {
      dispatcher: this.#dispatcher,
      method,
      headers: {
        ...this.#credentials.headers,
        accept: "application/json",
        "user-agent": this.#userAgent,
        ...(body === undefined ? {} : { "content-type": contentType }),
      },
      body: body ?? null,
      signal,
      headersTimeout: 0,
      bodyTimeout: idleMs,
    });
    const retryAfter = Number(headers["retry-after"]);
    return {
      status: statusCode,
      retryAfterSeconds: Number.isFinite(retryAfter) ? retryAfter : undefined,
      text: () => stream.text(),
      chunks: () => stream,
    };
  }

  /** Reads the credentials again. True if they changed. Connections in use end in their own time. */
  async #reload(): Promise<boolean> {
    this.#loadedAt = performance.now();
    const fresh = await loadCredentials(this.#source);
    if (fresh.fingerprint === this.#credentials.fingerprint) return false;
    const isSameTls = fresh.tlsFingerprint === this.#credentials.tlsFingerprint;
    this.#credentials = fresh;
    if (isSameTls) return true;
    const old = this.#dispatcher;
    this.#dispatcher = dispatcherFor(fresh);
    void old.close();
    return true;
  }
}

function dispatcherFor({ tls, proxy }: Credentials): Dispatcher {
  const connect = { ...tls, keepAlive: true, keepAliveInitialDelay: 15_000, timeout: 10_000 };
  const options = { allowH2: false, keepAliveTimeout: 60_000, keepAliveMaxTimeout: 300_000 };
  if (proxy === undefined) return new Agent({ ...options, connect });
  if (proxy.startsWith("http")) return new ProxyAgent({ uri: proxy, requestTls: tls, ...options });
  throw new ApiError("BadRequest", `proxy-url ${proxy}: only http and https proxies are supported`);
}
