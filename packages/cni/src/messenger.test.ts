import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from "node:fs";
import { connect, createServer, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { openBeenReady } from "./been-ready.ts";
import { call, pod } from "./calls.fixture.ts";
import { createCni } from "./cni.ts";
import type { CniComponents } from "./components.ts";
import { cniErrorNumbers } from "./error.ts";
import { createFakeComponents } from "./fake.ts";
import { buildMessenger, installMessenger, messengerNames } from "./messenger.ts";
import { serveCni } from "./server.ts";

let directory: string;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "fairlead-cni-"));
});
afterEach(() => rmSync(directory, { recursive: true }));

const unexpected = (error: unknown) => expect.unreachable(String(error));

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
    stdio: ["pipe", "pipe", "pipe"],
  });
  child.stdin.on("error", () => {});
  child.stdin.end(typeof options.config === "string" ? options.config : config);
  const output: Buffer[] = [];
  child.stdout.on("data", (chunk: Buffer) => output.push(chunk));
  let words = "";
  child.stderr.on("data", (chunk: Buffer) => {
    words += chunk;
  });
  return new Promise<MessengerAnswer>((resolve) => {
    child.on("close", (exitCode) => {
      const text = Buffer.concat(output).toString();
      resolve({ exitCode, body: text === "" ? undefined : JSON.parse(text), ...(words && { words }) });
    });
  });
}

interface MessengerAnswer {
  readonly exitCode: number | null;
  readonly body: Record<string, unknown> | undefined;
  /** What stood on stderr. */
  readonly words?: string;
}

const serve = (components: CniComponents = createFakeComponents(new Map([pod("web")]))) =>
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

  it.each([
    ["without CNI_COMMAND", {}, "{}", "InvalidEnvironment"],
    ["with 2 MiB of configuration", { CNI_COMMAND: "ADD" }, "x".repeat(2 << 20), "DecodeFailure"],
    ["without an agent", { CNI_COMMAND: "ADD" }, "{}", "TryAgainLater"],
    ["without an agent, asked for STATUS", { CNI_COMMAND: "STATUS" }, "{}", "NotAvailable"],
  ] as const)("%s prints the agent's code and number, as the agent does", (_, env, input, code) => {
    const { stdout } = spawnSync(buildMessenger(), {
      env: { FAIRLEAD_CNI_SOCKET: join(directory, "nobody.sock"), FAIRLEAD_CNI_CONNECT_MS: "1", ...env },
      input,
      encoding: "utf8",
    });
    const number = cniErrorNumbers[code];
    expect(JSON.parse(stdout)).toMatchObject({
      code: number,
      msg: expect.stringMatching(new RegExp(`^${code} \\(${number}\\): \\w`)),
    });
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
    ["hangs up", (socket: Socket) => socket.destroy()],
    ["answers nonsense", (socket: Socket) => socket.end("HTTP/1.1 400 Bad Request\r\n\r\n")],
    ["is silent", () => {}],
  ])("gives up with 11 when the agent %s", async (_, behave) => {
    const server = createServer(behave);
    await new Promise<void>((done) => server.listen(join(directory, "cni.sock"), done));
    const sockets: Socket[] = [];
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

describe("STATUS", () => {
  const env = { FAIRLEAD_CNI_STATUS_MS: "100" };
  const socketPath = () => join(directory, "cni.sock");
  const hasBeenReady = (options: { bootIdFile?: string } = {}) =>
    openBeenReady({ socketPath: socketPath(), onError: unexpected, ...options }).set();

  it("is answered without an agent when one has been ready since the machine started, and says so", async () => {
    hasBeenReady();
    const { exitCode, body, words } = await messenger("STATUS", { env });
    expect({ exitCode, body }).toEqual({ exitCode: 0, body: undefined });
    expect(words).toContain("the fairlead agent of this node is not reachable");
    expect(words).toContain("New pods wait for the agent");
  });

  it("of a machine that was started again waits for its agent", async () => {
    const bootIdFile = join(directory, "boot");
    writeFileSync(bootIdFile, "the boot before\n");
    hasBeenReady({ bootIdFile });
    expect(await messenger("STATUS", { env })).toMatchObject({ exitCode: 1, body: { code: 50 } });
    const again = { ...env, FAIRLEAD_BOOT_ID: bootIdFile };
    expect(await messenger("STATUS", { env: again })).toMatchObject({ exitCode: 0 });
  });

  it.each([
    ["empty", () => writeFileSync(join(directory, "been-ready"), "")],
    ["longer than a boot ID", () => writeFileSync(join(directory, "been-ready"), "x".repeat(4096))],
    ["a directory", () => mkdirSync(join(directory, "been-ready"))],
  ])("believes no file that is %s", async (_, place) => {
    place();
    expect(await messenger("STATUS", { env })).toMatchObject({ exitCode: 1, body: { code: 50 } });
  });

  it("does not excuse another command", async () => {
    hasBeenReady();
    for (const command of ["ADD", "DEL", "CHECK", "GC"])
      expect(await messenger(command, { env })).toMatchObject({ exitCode: 1, body: { code: 11 } });
  });

  it("carries the agent's own no, whatever was before", async () => {
    hasBeenReady();
    const components = createFakeComponents(new Map());
    await using _ = await serve({
      ...components,
      readiness: () => ({ ready: false, code: "NotAvailableLimited", reason: "no free address" }),
    });
    expect(await messenger("STATUS", { env: { FAIRLEAD_CNI_STATUS_MS: "50000" } })).toMatchObject({
      exitCode: 1,
      body: { code: 51 },
    });
  });
});

describe("an agent that is stopped (SIGSTOP)", () => {
  let agent: ChildProcess;
  const sockets: Socket[] = [];
  beforeEach(async () => {
    const listen = `require("node:net").createServer().listen({ path: process.argv[1], backlog: 1 }, () => console.log())`;
    agent = spawn(process.execPath, ["-e", listen, join(directory, "cni.sock")], {
      stdio: ["ignore", "pipe", "inherit"],
    });
    await once(agent.stdout!, "data");
    agent.kill("SIGSTOP");
  });
  afterEach(async () => {
    for (const socket of sockets.splice(0)) socket.destroy();
    agent.kill("SIGKILL");
    await once(agent, "close");
  });

  /** Connects until the kernel has no room for another connection. */
  async function fillQueue(): Promise<void> {
    for (;;) {
      const socket = connect(join(directory, "cni.sock"));
      sockets.push(socket);
      const outcome = await Promise.race([
        once(socket, "connect").then(() => "connected"),
        once(socket, "error").then(([error]) => error.code),
      ]).catch((error) => error.code);
      if (outcome !== "connected") return expect(outcome).toBe("EAGAIN");
    }
  }

  it.each([
    ["ADD", 11],
    ["DEL", 11],
    ["STATUS", 50],
  ])("holds up no %s when its queue is full: %i", async (command, code) => {
    await fillQueue();
    expect(await messenger(command)).toMatchObject({ exitCode: 1, body: { code } });
  });

  it("holds up no ADD that is longer than the kernel's buffer", async () => {
    const config = JSON.stringify({ cniVersion: "1.1.0", name: "x", filling: "x".repeat(1_000_000) });
    const answer = await messenger("ADD", { config, env: { FAIRLEAD_CNI_ANSWER_MS: "200" } });
    expect(answer).toMatchObject({
      exitCode: 1,
      body: { code: 11, msg: expect.stringContaining("does not read") },
    });
  });

  it("leaves its node ready when it has been so since the machine started", async () => {
    openBeenReady({ socketPath: join(directory, "cni.sock"), onError: unexpected }).set();
    for (const fill of [async () => {}, fillQueue]) {
      await fill();
      expect(await messenger("STATUS", { env: { FAIRLEAD_CNI_STATUS_MS: "100" } })).toMatchObject({
        exitCode: 0,
        words: expect.stringContaining("ready all the same"),
      });
    }
  });
});

it("the agent's socket is root's alone", async () => {
  await using _ = await serve();
  expect(statSync(join(directory, "cni.sock")).mode & 0o777).toBe(0o600);
});
