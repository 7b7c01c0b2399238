import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { afterAll, describe, expect, test } from "vitest";
import { eventually } from "./compliance/target.ts";
import { Connection } from "./connection.ts";
import { stringAt } from "./json.ts";

const directory = mkdtempSync(join(tmpdir(), "fairlead-apiserver-"));
const running: ChildProcess[] = [];
afterAll(() => {
  for (const child of running) child.kill("SIGKILL");
  rmSync(directory, { recursive: true });
});

async function start(bind: string): Promise<{ child: ChildProcess; address: string }> {
  const main = new URL("./main.ts", import.meta.url).pathname;
  const child = spawn(process.execPath, [main, "--bind", bind, "--dir", directory], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  running.push(child);
  for await (const line of createInterface({ input: child.stdout! })) {
    expect(line).toMatch(/^ready https:\/\//);
    return { child, address: line.replace("ready https://", "") };
  }
  throw new Error("the server ended before it was ready");
}

const config = (name: string) => ({ apiVersion: "v1", kind: "ConfigMap", metadata: { name } });
/** More than a double can hold. */
const large = 1798000000000000123n;
const definitions = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";
const counterPath = "/apis/example.org/v1/counters";
const schema = { type: "object", properties: { value: { type: "integer" } } };
const counters = {
  apiVersion: "apiextensions.k8s.io/v1",
  kind: "CustomResourceDefinition",
  metadata: { name: "counters.example.org" },
  spec: {
    group: "example.org",
    scope: "Cluster",
    names: { plural: "counters", kind: "Counter" },
    versions: [{ name: "v1", served: true, storage: true, schema: { openAPIV3Schema: schema } }],
  },
};
const maps = "/api/v1/namespaces/default/configmaps";

describe("the server process", () => {
  test("killed and started again keeps objects, credentials and the place of its watchers", {
    timeout: 30_000,
  }, async () => {
    const first = await start("127.0.0.1:0");
    const file = join(directory, "admin.kubeconfig");
    expect(statSync(file).mode & 0o777).toBe(0o600);
    const connection = new Connection(readFileSync(file, "utf8"));
    const defined = await connection.call({ method: "POST", path: definitions, body: counters });
    expect(defined.code, defined.text).toBe(201);
    const counter = { apiVersion: "example.org/v1", kind: "Counter", metadata: { name: "c" }, value: large };
    const counted = await eventually(async () => {
      const answer = await connection.call({ method: "POST", path: counterPath, body: counter });
      return answer.code === 201 ? answer : undefined;
    });
    expect(counted.json.value).toBe(large);
    const before = await connection.call({ method: "POST", path: maps, body: config("before") });
    expect(before.code).toBe(201);
    const version = stringAt(before.json, "metadata", "resourceVersion")!;
    await connection.call({ method: "POST", path: maps, body: config("between") });
    first.child.kill("SIGKILL");
    await once(first.child, "exit");

    const second = await start(first.address);
    const again = new Connection(readFileSync(file, "utf8"));
    expect((await again.call({ path: `${maps}/before` })).json).toEqual(before.json);
    expect((await again.call({ path: `${counterPath}/c` })).json).toEqual(counted.json);
    const after = await again.call({ method: "POST", path: maps, body: config("after") });
    expect(Number(stringAt(after.json, "metadata", "resourceVersion"))).toBeGreaterThan(Number(version));
    const names: (string | undefined)[] = [];
    const path = `${maps}?watch=true&resourceVersion=${version}`;
    for await (const { object } of again.watch(path, AbortSignal.timeout(30_000))) {
      names.push(stringAt(object, "metadata", "name"));
      if (names.length === 2) break;
    }
    expect(names).toEqual(["between", "after"]);
    second.child.kill("SIGTERM");
    const [code] = await once(second.child, "exit");
    expect(code).toBe(0);
    again.close();
    connection.close();
  });
});
