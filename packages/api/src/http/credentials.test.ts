import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { loadCredentials } from "./credentials.ts";

let directory: string;

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "fairlead-"));
});
afterEach(() => {
  vi.unstubAllEnvs();
  rmSync(directory, { recursive: true });
});

const base64 = (text: string) => Buffer.from(text).toString("base64");
const config = (user: object, cluster: object = {}) =>
  JSON.stringify({
    "current-context": "here",
    clusters: [{ name: "c", cluster: { server: "https://192.0.2.1:6443/", ...cluster } }],
    users: [{ name: "u", user }],
    contexts: [{ name: "here", context: { cluster: "c", user: "u" } }],
  });
const load = (user: object, cluster?: object) => loadCredentials({ kubeconfig: config(user, cluster) });
const write = (name: string, text: string) => {
  const path = join(directory, name);
  writeFileSync(path, text);
  return path;
};

test("tokens, names and impersonation become headers", async () => {
  expect(await load({ token: "t\n" })).toMatchObject({
    server: "https://192.0.2.1:6443",
    headers: { authorization: "Bearer t" },
  });
  expect((await load({ username: "u", password: "p" })).headers).toEqual({
    authorization: `Basic ${base64("u:p")}`,
  });
  expect((await load({ as: "somebody" })).headers).toEqual({ "impersonate-user": "somebody" });
  expect((await load({})).headers).toEqual({});
});

test("certificates may stand inside or in files beside the kubeconfig", async () => {
  const inside = { "client-certificate-data": base64("cert"), "client-key-data": base64("key") };
  const cluster = {
    "certificate-authority-data": base64("ca"),
    "tls-server-name": "kube",
    "insecure-skip-tls-verify": true,
  };
  const expected = { ca: "ca", cert: "cert", key: "key", servername: "kube", rejectUnauthorized: false };
  expect((await load(inside, cluster)).tls).toEqual(expected);

  mkdirSync(join(directory, "pki"));
  for (const name of ["ca", "cert", "key"]) write(`pki/${name}`, name);
  const beside = { "client-certificate": "pki/cert", "client-key": "pki/key" };
  const path = write("config", config(beside, { "certificate-authority": "pki/ca" }));
  expect((await loadCredentials({ kubeconfig: path })).tls).toEqual({ ca: "ca", cert: "cert", key: "key" });
});

test("a token file is read again each time, and the fingerprint tells that it changed", async () => {
  const tokenFile = write("token", "one\n");
  const first = await load({ tokenFile });
  write("token", "two");
  const second = await load({ tokenFile });
  expect(second.headers.authorization).toBe("Bearer two");
  expect(second.fingerprint).not.toBe(first.fingerprint);
  expect(second.tlsFingerprint).toBe(first.tlsFingerprint);
  expect((await load({ tokenFile })).fingerprint).toBe(second.fingerprint);
});

test("an exec plug-in is asked", async () => {
  const status = { token: "from-plugin" };
  const answer = JSON.stringify({
    apiVersion: "client.authentication.k8s.io/v1",
    kind: "ExecCredential",
    status,
  });
  const plugin = write("plugin", `#!/bin/sh\necho '${answer}'\n`);
  chmodSync(plugin, 0o755);
  const exec = { apiVersion: "client.authentication.k8s.io/v1", command: plugin, interactiveMode: "Never" };
  expect((await load({ exec })).headers.authorization).toBe("Bearer from-plugin");
});

test("KUBECONFIG may name several files; of each name the first counts", async () => {
  const one = write("one", JSON.stringify({ users: [{ name: "u", user: { token: "first" } }] }));
  const two = write("two", config({ token: "second" }));
  vi.stubEnv("KUBECONFIG", [one, join(directory, "none"), two].join(delimiter));
  expect((await loadCredentials({})).headers.authorization).toBe("Bearer first");
});

test("in a pod the server comes from the environment", async () => {
  vi.stubEnv("KUBERNETES_SERVICE_HOST", undefined);
  await expect(loadCredentials({ inCluster: true })).rejects.toThrow(/this is no pod/);
  vi.stubEnv("KUBERNETES_SERVICE_HOST", "fd00::1");
  await expect(loadCredentials({ inCluster: true })).rejects.toThrow(/cannot read .*serviceaccount/);
});

test.each([
  ["clusters: 5", /clusters: .* Write a value of type array/],
  ["current-context: x\n", /there is no context "x"/],
  [
    '{"current-context":"h","contexts":[{"name":"h","context":{"cluster":"c","user":"u"}}]}',
    /there is no cluster "c"/,
  ],
  ["a: [\n", /Unauthorized/],
])("%j is refused in words", async (kubeconfig, message) => {
  const error: unknown = await loadCredentials({ kubeconfig: `${kubeconfig}\n` }).catch(
    (reason: unknown) => reason,
  );
  expect(error).toMatchObject({ code: "Unauthorized" });
  expect(String(error)).toMatch(message);
});
