import { createConnection, createServer, type Server, type Socket } from "node:net";
import { onLine } from "../qemu/lines.ts";

/** What one side can be asked: method name to function. Parameters and results are JSON. */
export type Methods<T> = {
  [K in keyof T]: T[K] extends (params: infer P) => Promise<infer R> ? (params: P) => Promise<R> : never;
};

/** A call that the other side refused, or that found nobody. */
export class RpcError extends Error {
  readonly code: "Refused" | "Unreachable" | "Closed" | "Timeout";

  constructor(code: RpcError["code"], message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = "RpcError";
    this.code = code;
  }
}

interface Message {
  readonly id?: number;
  readonly method?: string;
  readonly params?: unknown;
  readonly result?: unknown;
  readonly error?: string;
  readonly event?: unknown;
}

/** Serves methods on a unix socket, one JSON message a line. `publish` tells every connected peer. */
export interface RpcServer<E> extends AsyncDisposable {
  publish(event: E): void;
}

export async function serveRpc<T, E = never>(
  path: string,
  methods: Methods<T>,
  greeting?: () => E,
): Promise<RpcServer<E>> {
  const peers = new Set<Socket>();
  const server: Server = createServer((socket) => {
    peers.add(socket);
    socket.on("close", () => peers.delete(socket));
    onLine(socket, (line) => void answer(socket, line, methods as Methods<object>));
    if (greeting) send(socket, { event: greeting() });
  });
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen(path, () => resolve());
  });
  return {
    publish: (event) => {
      for (const peer of peers) send(peer, { event });
    },
    [Symbol.asyncDispose]: async () => {
      for (const peer of peers) peer.destroy();
      await new Promise<void>((resolve) => server.close(() => resolve()));
    },
  };
}

async function answer(socket: Socket, line: string, methods: object): Promise<void> {
  const { id, method, params } = JSON.parse(line) as Message;
  try {
    const handle = (methods as Record<string, (params: unknown) => Promise<unknown>>)[method ?? ""];
    if (!handle) throw new Error(`unknown method ${method}`);
    send(socket, { id, result: (await handle(params)) ?? null } as Message);
  } catch (error) {
    send(socket, { id, error: error instanceof Error ? error.message : String(error) } as Message);
  }
}

function send(socket: Socket, message: Message): void {
  if (socket.writable) socket.write(`${JSON.stringify(message)}\n`);
}

/** The calling side. */
export interface RpcClient<T, E> extends Disposable {
  /** Throws {@link RpcError}. Default deadline 30 s. */
  call<K extends keyof T & string>(
    method: K,
    params: T[K] extends (params: infer P) => unknown ? P : never,
    options?: { deadline?: number },
  ): Promise<T[K] extends (params: never) => Promise<infer R> ? R : never>;
  subscribe(listener: (event: E) => void): void;
  /** Aborts when the connection is gone. */
  readonly closed: AbortSignal;
}

export async function connectRpc<T, E = never>(path: string): Promise<RpcClient<T, E>> {
  const socket = await new Promise<Socket>((resolve, reject) => {
    const attempt = createConnection(path, () => resolve(attempt));
    attempt.once("error", (cause) =>
      reject(new RpcError("Unreachable", `Nobody listens on ${path}.`, { cause })),
    );
  });
  const pending = new Map<number, PromiseWithResolvers<unknown>>();
  const listeners = new Set<(event: E) => void>();
  const missed: E[] = [];
  const closed = new AbortController();
  let nextId = 1;
  socket.on("close", () => {
    closed.abort();
    for (const call of pending.values()) call.reject(new RpcError("Closed", `The peer at ${path} hung up.`));
  });
  onLine(socket, (line) => {
    const message = JSON.parse(line) as Message;
    if (message.event !== undefined) {
      if (listeners.size === 0) missed.push(message.event as E);
      for (const listener of listeners) listener(message.event as E);
      return;
    }
    const call = pending.get(message.id ?? 0);
    if (message.error !== undefined) call?.reject(new RpcError("Refused", message.error));
    else call?.resolve(message.result);
  });
  return {
    closed: closed.signal,
    subscribe: (listener) => {
      listeners.add(listener);
      for (const event of missed.splice(0)) listener(event);
    },
    call: async (method, params, options) => {
      if (closed.signal.aborted) throw new RpcError("Closed", `The peer at ${path} hung up.`);
      const id = nextId++;
      const call = Promise.withResolvers<unknown>();
      pending.set(id, call);
      const deadline = options?.deadline ?? 30_000;
      const timer = setTimeout(
        () => call.reject(new RpcError("Timeout", `${method} got no answer within ${deadline} ms.`)),
        deadline,
      );
      send(socket, { id, method, params });
      try {
        return (await call.promise) as never;
      } finally {
        clearTimeout(timer);
        pending.delete(id);
      }
    },
    [Symbol.dispose]: () => socket.destroy(),
  };
}
