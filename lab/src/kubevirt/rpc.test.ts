import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { connectRpc, type RpcServer, serveRpc } from "./rpc.ts";

interface Calculator {
  double(params: { value: number }): Promise<number>;
  fail(params: Record<string, never>): Promise<void>;
  hang(params: Record<string, never>): Promise<void>;
}

let directory: string;
let path: string;
let server: RpcServer<string>;

beforeEach(async () => {
  directory = mkdtempSync(join(tmpdir(), "rpc-"));
  path = join(directory, "rpc.sock");
  server = await serveRpc<Calculator, string>(
    path,
    {
      double: async ({ value }) => value * 2,
      fail: async () => {
        throw new Error("as asked");
      },
      hang: () => new Promise(() => {}),
    },
    () => "hello",
  );
});
afterEach(async () => {
  await server[Symbol.asyncDispose]();
  rmSync(directory, { recursive: true });
});

test("a call brings its result back, and a refusal its reason", async () => {
  using client = await connectRpc<Calculator, string>(path);
  expect(await client.call("double", { value: 21 })).toBe(42);
  await expect(client.call("fail", {})).rejects.toMatchObject({ code: "Refused", message: "as asked" });
});

test("a silent peer is an error after the deadline", async () => {
  using client = await connectRpc<Calculator, string>(path);
  await expect(client.call("hang", {}, { deadline: 1 })).rejects.toMatchObject({ code: "Timeout" });
});

test("whoever connects is greeted, even if it listens only later, and hears what is published", async () => {
  using client = await connectRpc<Calculator, string>(path);
  await client.call("double", { value: 1 });
  const heard: string[] = [];
  client.subscribe((event) => heard.push(event));
  server.publish("news");
  await client.call("double", { value: 1 });
  expect(heard).toEqual(["hello", "news"]);
});

test("a peer that goes away fails the calls under way", async () => {
  using client = await connectRpc<Calculator, string>(path);
  const call = client.call("hang", {});
  await Promise.all([expect(call).rejects.toMatchObject({ code: "Closed" }), server[Symbol.asyncDispose]()]);
  expect(client.closed.aborted).toBe(true);
});

test("nobody there is said with the path", async () => {
  await expect(connectRpc(join(directory, "absent"))).rejects.toMatchObject({ code: "Unreachable" });
});
