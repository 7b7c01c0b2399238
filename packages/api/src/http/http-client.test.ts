import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { type ApiClient, getIfPresent } from "../client.ts";
import { createApiClient } from "../create-client.ts";
import { isApiError } from "../error.ts";
import { kinds } from "../kinds.ts";

type Answer = (request: IncomingMessage, response: ServerResponse, body: string) => void;

let server: Server;
let url: string;
let answer: Answer;
let connections: number;
let client: ApiClient;

const kubeconfig = (server: string, token = "secret") => `
apiVersion: v1
kind: Config
current-context: test
clusters: [{name: test, cluster: {server: "${server}"}}]
users: [{name: test, user: {token: ${token}}}]
contexts: [{name: test, context: {cluster: test, user: test}}]
`;

beforeEach(async () => {
  connections = 0;
  server = createServer((request, response) => {
    let body = "";
    request.on("data", (chunk: Buffer) => {
      body += chunk.toString();
    });
    request.on("end", () => answer(request, response, body));
  });
  server.on("connection", () => {
    connections += 1;
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  client = createApiClient({ kubeconfig: kubeconfig(url), requestTimeoutMs: 1000 });
});

afterEach(async () => {
  await client.close();
  server.closeAllConnections();
  await new Promise((resolve) => server.close(resolve));
});

const json = (
  response: ServerResponse,
  status: number,
  body: unknown,
  headers: Record<string, string> = {},
) => {
  response.writeHead(status, { "content-type": "application/json", ...headers });
  response.end(typeof body === "string" ? body : JSON.stringify(body));
};
const failureOf = async (call: Promise<unknown>) => {
  const error: unknown = await call.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  if (!isApiError(error)) throw new Error(`expected an ApiError, got ${String(error)}`);
  return error;
};
const pod = {
  apiVersion: "v1",
  kind: "Pod",
  metadata: { name: "p", namespace: "ns" },
  spec: { containers: [] },
};
const getPod = (options = {}) => client.get(kinds.Pod, { name: "p", namespace: "ns" }, options);

describe("requests", () => {
  test("go to the kind's path with the kubeconfig's token, over connections that are kept", async () => {
    const seen: string[] = [];
    answer = (request, response) => {
      seen.push(`${request.method} ${request.url} ${request.headers.authorization}`);
      json(response, 200, pod);
    };
    for (let i = 0; i < 20; i++) expect(await getPod()).toEqual(pod);
    expect(new Set(seen)).toEqual(new Set(["GET /api/v1/namespaces/ns/pods/p Bearer secret"]));
    expect(connections).toBeLessThanOrEqual(2);
  });

  test("patches name their type, deletions carry their preconditions", async () => {
    const seen: unknown[] = [];
    answer = (request, response, body) => {
      seen.push([request.method, request.url, request.headers["content-type"], JSON.parse(body)]);
      json(response, 200, pod);
    };
    const ref = { name: "p", namespace: "ns" };
    await client.patch(kinds.Pod, ref, [], { type: "json", subresource: "status" });
    await client.patch(kinds.Pod, ref, {}, { type: "apply", fieldManager: "m", force: true });
    await client.delete(kinds.Pod, ref, { preconditions: { uid: "u" }, gracePeriodSeconds: 0 });
    const path = "/api/v1/namespaces/ns/pods/p";
    expect(seen).toEqual([
      ["PATCH", `${path}/status`, "application/json-patch+json", []],
      ["PATCH", `${path}?fieldManager=m&force=true`, "application/apply-patch+yaml", {}],
      [
        "DELETE",
        path,
        "application/json",
        { apiVersion: "v1", kind: "DeleteOptions", preconditions: { uid: "u" }, gracePeriodSeconds: 0 },
      ],
    ]);
  });

  test("items of a list carry what they are, and defaults", async () => {
    const items = [{ metadata: { name: "a" }, spec: { cidr: "10.0.0.0/16" } }];
    answer = (_request, response) => json(response, 200, { metadata: { resourceVersion: "7" }, items });
    const list = await client.list(kinds.IPPool);
    expect(list.items[0]).toMatchObject({ kind: "IPPool", spec: { blockSize: 26, natOutgoing: false } });
    expect(list).toMatchObject({ resourceVersion: "7", continue: undefined });
  });

  test("64-bit counters survive the way there and back", async () => {
    const spec =
      '{"cidr":"10.0.0.0/26","allocations":[],"unallocated":[],"attributes":[],"sequenceNumber":1798000000000000123}';
    const bodies: string[] = [];
    answer = (_request, response, body) => {
      bodies.push(body);
      json(response, 200, `{"metadata":{"name":"b"},"spec":${spec}}`);
    };
    const block = await client.get(kinds.IPAMBlock, { name: "b" });
    expect(block.spec.sequenceNumber).toBe(1798000000000000123n);
    await client.replace(kinds.IPAMBlock, block);
    expect(bodies[1]).toContain('"sequenceNumber":1798000000000000123');
  });
});

describe("failures", () => {
  test.each([
    [409, "AlreadyExists", "AlreadyExists"],
    [409, "Conflict", "Conflict"],
    [410, "Expired", "Gone"],
    [422, "Invalid", "Invalid"],
    [403, "Forbidden", "Forbidden"],
    [401, "Unauthorized", "Unauthorized"],
    [500, "InternalError", "Unavailable"],
    [503, "", "Unavailable"],
    [418, "", "BadRequest"],
  ])("%i %s is %s", async (status, reason, code) => {
    answer = (_request, response) => json(response, status, { kind: "Status", reason, message: "because" });
    const error = await failureOf(getPod());
    expect(error.code).toBe(code);
    expect(error.message).toContain("because");
  });

  test("a 404 that names the object is NotFound: the kind is there, the object is not", async () => {
    answer = (_request, response) =>
      json(response, 404, {
        kind: "Status",
        reason: "NotFound",
        message: 'pods "a" not found',
        details: { name: "a", kind: "pods" },
      });
    expect((await failureOf(getPod())).code).toBe("NotFound");
  });

  const noDefinition = { kind: "Status", reason: "NotFound", code: 404 };
  test.each([
    ["an older server without the kind", "404 page not found\n"],
    ["a server without the kind", noDefinition],
    ["a server without the kind that sends empty details", { ...noDefinition, details: {} }],
    ["a proxy", "<html><body>Not Found</body></html>"],
    ["an aggregated server that says nothing", ""],
  ])("a 404 of %s is NotServed: whether the object exists is not known", async (_who, body) => {
    answer = (_request, response) => {
      response.writeHead(404);
      response.end(typeof body === "string" ? body : JSON.stringify(body));
    };
    expect((await failureOf(getPod())).code).toBe("NotServed");
    await expect(getIfPresent(client, kinds.Pod, { name: "a", namespace: "n" })).rejects.toMatchObject({
      code: "NotServed",
    });
  });

  test("429 says how long to wait", async () => {
    answer = (_request, response) => json(response, 429, "slow down", { "retry-after": "7" });
    expect(await failureOf(getPod())).toMatchObject({ code: "TooManyRequests", retryAfterSeconds: 7 });
  });

  test("a server that never answers is a Timeout", async () => {
    answer = () => undefined;
    await client.close();
    client = createApiClient({ kubeconfig: kubeconfig(url), requestTimeoutMs: 30 });
    expect((await failureOf(getPod())).code).toBe("Timeout");
  });

  test("a server that is not there is Unavailable, and so is a closed client", async () => {
    const nobody = createApiClient({ kubeconfig: kubeconfig("http://127.0.0.1:1") });
    expect((await failureOf(nobody.list(kinds.Pod))).code).toBe("Unavailable");
    await nobody.close();
    expect((await failureOf(nobody.list(kinds.Pod))).code).toBe("Unavailable");
  });

  test("a kubeconfig that is missing is Unauthorized, and read again at the next call", async () => {
    const directory = mkdtempSync(join(tmpdir(), "fairlead-"));
    const path = join(directory, "kubeconfig");
    const late = createApiClient({ kubeconfig: path });
    expect((await failureOf(late.list(kinds.Pod))).code).toBe("Unauthorized");
    writeFileSync(path, kubeconfig(url));
    answer = (_request, response) => json(response, 200, { metadata: { resourceVersion: "1" }, items: [] });
    expect((await late.list(kinds.Pod)).items).toEqual([]);
    await late.close();
    rmSync(directory, { recursive: true });
  });

  test("a token that was replaced is read again and the request repeated", async () => {
    const directory = mkdtempSync(join(tmpdir(), "fairlead-"));
    const path = join(directory, "kubeconfig");
    writeFileSync(path, kubeconfig(url, "old"));
    let valid = "Bearer old";
    answer = (request, response) => {
      const isValid = request.headers.authorization === valid;
      json(response, isValid ? 200 : 401, isValid ? pod : { reason: "Unauthorized" });
    };
    const rotating = createApiClient({ kubeconfig: path });
    const ref = { name: "p", namespace: "ns" };
    await rotating.get(kinds.Pod, ref);
    valid = "Bearer new";
    writeFileSync(path, kubeconfig(url, "new"));
    expect(await rotating.get(kinds.Pod, ref)).toEqual(pod);
    valid = "Bearer newer";
    expect((await failureOf(rotating.get(kinds.Pod, ref))).code).toBe("Unauthorized");
    await rotating.close();
    rmSync(directory, { recursive: true });
  });
});

describe("watches", () => {
  const events = async (signal = AbortSignal.timeout(30_000)) => {
    const seen: string[] = [];
    for await (const event of client.watch(kinds.Pod, { resourceVersion: "5", signal }))
      seen.push(
        event.type === "BOOKMARK"
          ? `BOOKMARK ${event.resourceVersion}`
          : `${event.type} ${event.object.metadata.name}`,
      );
    return seen;
  };
  const line = (type: string, object: unknown) => `${JSON.stringify({ type, object })}\n`;

  test("events are read however the bytes are cut, and a cut last line is dropped", async () => {
    const text =
      line("ADDED", { metadata: { name: "schöner-pod" } }) +
      line("BOOKMARK", { metadata: { resourceVersion: "9" } });
    const bytes = Buffer.from(`${text}{"type":"ADD`);
    answer = (request, response) => {
      expect(request.url).toContain("watch=true&allowWatchBookmarks=true");
      expect(request.url).toContain("resourceVersion=5");
      response.writeHead(200);
      const write = (at: number): void => {
        if (at >= bytes.length) response.end();
        else response.write(bytes.subarray(at, at + 7), () => write(at + 7));
      };
      write(0);
    };
    expect(await events()).toEqual(["ADDED schöner-pod", "BOOKMARK 9"]);
  });

  test("a connection that breaks ends the watch quietly", async () => {
    answer = (_request, response) => {
      response.writeHead(200);
      response.write(line("ADDED", pod), () => response.destroy());
    };
    expect(await events()).toEqual(["ADDED p"]);
  });

  test("an ERROR event of 410 and an answer of 410 are Gone", async () => {
    answer = (_request, response) => {
      response.writeHead(200);
      response.end(line("ERROR", { code: 410, reason: "Expired", message: "too old" }));
    };
    expect((await failureOf(events())).code).toBe("Gone");
    answer = (_request, response) => json(response, 410, { reason: "Expired" });
    expect((await failureOf(events())).code).toBe("Gone");
  });

  test("leaving the loop closes the stream", async () => {
    const closed = Promise.withResolvers<void>();
    answer = (_request, response) => {
      response.writeHead(200);
      response.write(line("ADDED", pod));
      response.on("close", () => closed.resolve());
    };
    for await (const _ of client.watch(kinds.Pod, { signal: AbortSignal.timeout(30_000) })) break;
    await closed.promise;
  });
});
