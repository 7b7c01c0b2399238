import { spawn } from "node:child_process";
import { mkdtempSync, readdirSync, rmSync, statSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { call, pod } from "./calls.fixture.ts";
import { createCni } from "./cni.ts";
import { createFakeComponents } from "./fake.ts";
import { buildMessenger, installMessenger, messengerNames } from "./messenger.ts";
import { serveCni } from "./server.ts";

let directory: string;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "fairlead-cni-"));
});
afterEach(() => rmSync(directory, { recursive: true }));

/** Runs the messenger as a runtime does. */
function messenger(
  command: string,
  options: { name?: string; config?: object | string; env?: Record<string, string> } = {},
) {
  const { environment, config } = call(command, {
    config: {
      cniVersion: "1.1.0",
      endpoint_status_dir: directory,
      ...(typeof options.config === "object" ? options.config : {}),
    },
  });
  const { CNI_PLUGIN: _, ...env } = environment;
  const program = options.name ? join(directory, options.name) : buildMessenger();
  const child = spawn(program, {
    env: {
      ...env,
      FAIRLEAD_CNI_SOCKET: join(directory, "cni.sock"),
      FAIRLEAD_CNI_CONNECT_MS: "50",
      ...options.env,
    },
    stdio: ["pipe", "pipe", "inherit"],
  });
  child.stdin.on("error", () => {});
  child.stdin.end(typeof options.config === "string" ? options.config : config);
  const output: Buffer[] = [];
  child.stdout.on("data", (chunk: Buffer) => output.push(chunk));
  return new Promise<{ exitCode: number | null; body: Record<string, unknown> | undefined }>((resolve) => {
    child.on("close", (exitCode) => {
      const text = Buffer.concat(output).toString();
      resolve({ exitCode, body: text === "" ? undefined : JSON.parse(text) });
    });
  });
}

const serve = (components = createFakeComponents(new Map([pod("web")]))) =>
  serveCni({ cni: createCni(components), socketPath: join(directory, "cni.sock") });

describe("the messenger", () => {
  it("carries ADD and DEL to the agent and the answers back", async () => {
    await using _ = await serve();
    const added = await messenger("ADD");
    expect([added.exitCode, added.body?.cniVersion]).toEqual([0, "1.1.0"]);
    expect(added.body?.ips).toHaveLength(2);
    expect(await messenger("DEL")).toEqual({ exitCode: 0, body: undefined });
  });

  it("brings an error as a CNI error object with exit code 1", async () => {
    await using _ = await serve(createFakeComponents(new Map()));
    expect(await messenger("ADD")).toMatchObject({ exitCode: 1, body: { cniVersion: "1.1.0", code: 101 } });
  });

  it("tells the agent under which name it was called", async () => {
    await using _ = await serve();
    installMessenger(directory);
    expect(readdirSync(directory)).toEqual(expect.arrayContaining([...messengerNames]));
    const { body } = await messenger("ADD", { name: "calico-ipam" });
    expect(body?.interfaces).toBeUndefined();
    expect(body?.ips).toHaveLength(2);
  });

  it("answers VERSION alone", async () => {
    const { exitCode, body } = await messenger("VERSION");
    expect(exitCode).toBe(0);
    expect(body).toEqual({
      cniVersion: "1.1.0",
      supportedVersions: ["0.1.0", "0.2.0", "0.3.0", "0.3.1", "0.4.0", "1.0.0", "1.1.0"],
    });
  });

  it.each([
    ["ADD", 11],
    ["DEL", 11],
    ["STATUS", 50],
  ])("says of %s without an agent: %i", async (command, code) => {
    expect(await messenger(command)).toMatchObject({ exitCode: 1, body: { cniVersion: "1.1.0", code } });
  });

  it("waits for an agent that is being restarted", async () => {
    const late = messenger("ADD", { env: { FAIRLEAD_CNI_CONNECT_MS: "20000" } });
    await using _ = await serve();
    expect((await late).exitCode).toBe(0);
  });

  it.each([
    ["hangs up", (socket: import("node:net").Socket) => socket.destroy()],
    [
      "answers nonsense",
      (socket: import("node:net").Socket) => socket.end("HTTP/1.1 400 Bad Request\r\n\r\n"),
    ],
    ["is silent", () => {}],
  ])("gives up with 11 when the agent %s", async (_, behave) => {
    const server = createServer(behave);
    await new Promise<void>((done) => server.listen(join(directory, "cni.sock"), done));
    const sockets: import("node:net").Socket[] = [];
    server.on("connection", (socket) => sockets.push(socket.on("error", () => {})));
    const answer = await messenger("ADD", { env: { FAIRLEAD_CNI_ANSWER_MS: "200" } });
    for (const socket of sockets) socket.destroy();
    server.close();
    expect(answer).toMatchObject({ exitCode: 1, body: { code: 11 } });
  });

  it("refuses a configuration of more than 1 MiB", async () => {
    expect(await messenger("ADD", { config: "x".repeat(2 << 20) })).toMatchObject({
      exitCode: 1,
      body: { code: 6 },
    });
  });

  it("puts nothing of a hostile configuration into its own errors", async () => {
    const { body } = await messenger("ADD", { config: '{"cniVersion":"1.0\\",\\"x"}' });
    expect(body).toMatchObject({ cniVersion: "1.1.0", code: 11 });
  });
});

it("the agent's socket is root's alone", async () => {
  await using _ = await serve();
  expect(statSync(join(directory, "cni.sock")).mode & 0o777).toBe(0o600);
});
