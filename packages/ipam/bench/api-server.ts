import { fork } from "node:child_process";
import { once } from "node:events";
import { setTimeout as delay } from "node:timers/promises";
import { type ApiClient, createApiClient, isApiError, kinds } from "@fairlead/api";

export interface BenchServer extends AsyncDisposable {
  readonly kubeconfig: string;
}

export async function startServer(): Promise<BenchServer> {
  const child = fork(new URL("./apiserver.child.ts", import.meta.url));
  const [kubeconfig] = (await once(child, "message")) as [string];
  const client = createApiClient({ kubeconfig });
  // A new kind is served a moment after its definition exists.
  for (const deadline = Date.now() + 10_000; ; await delay(20))
    try {
      await client.list(kinds.IPAMHandle);
      break;
    } catch (error) {
      if (!isApiError(error, "NotServed") || Date.now() > deadline) throw error;
    }
  await client.close();
  return {
    kubeconfig,
    async [Symbol.asyncDispose]() {
      const gone = once(child, "exit");
      child.disconnect();
      await gone;
    },
  };
}

export interface Counts {
  requests: number;
  conflicts: number;
  /** Verb and kind to the number of requests. */
  readonly calls: Map<string, number>;
}

/** The same client, counting what goes over the wire. */
export function counting(client: ApiClient, counts: Counts): ApiClient {
  const count = async <R>(verb: string, kind: { readonly kind: string }, call: Promise<R>): Promise<R> => {
    counts.requests++;
    const key = `${verb} ${kind.kind}`;
    counts.calls.set(key, (counts.calls.get(key) ?? 0) + 1);
    try {
      return await call;
    } catch (error) {
      if (isApiError(error, "Conflict", "AlreadyExists")) counts.conflicts++;
      throw error;
    }
  };
  return {
    get: (kind, ref, options) => count("get", kind, client.get(kind, ref, options)),
    list: (kind, options) => count("list", kind, client.list(kind, options)),
    create: (kind, object, options) => count("create", kind, client.create(kind, object, options)),
    replace: (kind, object, options) => count("replace", kind, client.replace(kind, object, options)),
    replaceStatus: (kind, object, options) =>
      count("replaceStatus", kind, client.replaceStatus(kind, object, options)),
    patch: (kind, ref, patch, options) => count("patch", kind, client.patch(kind, ref, patch, options)),
    delete: (kind, ref, options) => count("delete", kind, client.delete(kind, ref, options)),
    watch: (kind, options) => client.watch(kind, options),
    raw: (request) => count("raw", { kind: request.path }, client.raw(request)),
    close: () => client.close(),
  };
}
