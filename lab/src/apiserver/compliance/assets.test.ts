import { createPublicKey } from "node:crypto";
import { chmodSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, describe, expect, test } from "vitest";
import { Connection } from "../connection.ts";
import { startFromAssets } from "./assets.ts";

const directories: string[] = [];
afterEach(() => {
  for (const directory of directories.splice(0)) rmSync(directory, { recursive: true });
});

/** Programs that stand where the real ones would: they note how they were called, and the server says it is ready. */
const note = `import { writeFileSync, readFileSync } from "node:fs";
const args = Object.fromEntries(process.argv.slice(2).map((a) => a.replace(/^--/, "").split(/=(.*)/s)));
writeFileSync(new URL("./" + process.argv[1].split("/").at(-1) + ".json", import.meta.url), JSON.stringify({ pid: process.pid, args }));
`;
const server = `import { createServer } from "node:https";
const token = readFileSync(args["token-auth-file"], "utf8").split(",")[0];
createServer({ cert: readFileSync(args["tls-cert-file"]), key: readFileSync(args["tls-private-key-file"]) }, (request, response) => {
  response.writeHead(request.url === "/readyz" && request.headers.authorization === "Bearer " + token ? 200 : 401).end();
}).listen(Number(args["secure-port"]), args["bind-address"]);
`;

function assets(programs: { readonly [name: string]: string }): string {
  const directory = mkdtempSync(join(tmpdir(), "fairlead-assets-"));
  directories.push(directory);
  writeFileSync(join(directory, "package.json"), '{"type":"module"}');
  for (const [name, code] of Object.entries(programs)) {
    const file = join(directory, name);
    writeFileSync(file, `#!${process.execPath}\n${note}${code}`);
    chmodSync(file, 0o755);
  }
  return directory;
}

interface Noted {
  readonly pid: number;
  readonly args: { readonly [flag: string]: string };
}
const noted = (directory: string, name: string): Noted =>
  JSON.parse(readFileSync(join(directory, `${name}.json`), "utf8"));
const isRunning = (pid: number): boolean => {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
};
const leftovers = (): string[] =>
  readdirSync(tmpdir()).filter((name) => name.startsWith("fairlead-control-plane-"));

describe("a control plane from assets", () => {
  test("starts both programs for each other, lets its administrator in, and leaves nothing", async () => {
    const directory = assets({ etcd: "setInterval(() => {}, 1000);", "kube-apiserver": server });
    const plane = await startFromAssets(directory, 20_000);
    const [store, api] = [noted(directory, "etcd"), noted(directory, "kube-apiserver")];
    expect(api.args["etcd-servers"]).toBe(store.args["listen-client-urls"]);
    expect(api.args["authorization-mode"]).toBe("RBAC");
    expect(store.args["listen-peer-urls"]).not.toBe(store.args["listen-client-urls"]);
    // What it signs for service accounts it must also believe.
    const [signing, verifying] = ["service-account-signing-key-file", "service-account-key-file"].map(
      (flag) => createPublicKey(readFileSync(api.args[flag]!)).export({ type: "spki", format: "pem" }),
    );
    expect(signing).toBe(verifying);
    const connection = new Connection(plane.kubeconfig);
    expect((await connection.call({ path: "/readyz" })).code).toBe(200);
    connection.close();
    const own = store.args["data-dir"]!.split("/").at(-2)!;
    expect(leftovers()).toContain(own);
    await plane.stop();
    expect([store.pid, api.pid].map(isRunning)).toEqual([false, false]);
    expect(leftovers()).not.toContain(own);
  });

  /** Those that kube-apiserver refuses to start without, that keep it off the default route, and what envtest sets as well. */
  test("gives kube-apiserver and etcd the flags they cannot do without", async () => {
    const directory = assets({ etcd: "setInterval(() => {}, 1000);", "kube-apiserver": server });
    const plane = await startFromAssets(directory, 20_000);
    await plane.stop();
    expect(Object.keys(noted(directory, "kube-apiserver").args).sort()).toEqual([
      "advertise-address",
      "allow-privileged",
      "authorization-mode",
      "bind-address",
      "cert-dir",
      "disable-admission-plugins",
      "etcd-servers",
      "secure-port",
      "service-account-issuer",
      "service-account-key-file",
      "service-account-signing-key-file",
      "service-cluster-ip-range",
      "tls-cert-file",
      "tls-private-key-file",
      "token-auth-file",
    ]);
    expect(Object.keys(noted(directory, "etcd").args).sort()).toEqual([
      "advertise-client-urls",
      "data-dir",
      "listen-client-urls",
      "listen-peer-urls",
      "unsafe-no-fsync",
    ]);
  });

  test("whose server ends early says why, and ends the other program", async () => {
    const failing = 'console.error("unknown flag"); process.exitCode = 1;';
    const directory = assets({ etcd: "setInterval(() => {}, 1000);", "kube-apiserver": failing });
    await expect(startFromAssets(directory, 20_000)).rejects.toThrow(
      /kube-apiserver ended with code 1: unknown flag/,
    );
    expect(isRunning(noted(directory, "etcd").pid)).toBe(false);
  });

  test("without programs says which one is missing", async () => {
    await expect(startFromAssets(assets({}), 20_000)).rejects.toThrow(/etcd cannot be started/);
  });
});
