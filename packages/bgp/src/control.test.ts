import { execFile } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { createServer, type Server } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterEach, beforeEach, expect, it } from "vitest";
import { ControlConnection } from "./control.ts";
import { BgpError } from "./error.ts";

let directory: string;
let path: string;
let server: Server;

/** Speaks BIRD's line protocol: a greeting, then one reply for each line; none to `be silent`. */
beforeEach(async () => {
  directory = mkdtempSync(join(tmpdir(), "fairlead-control-"));
  path = join(directory, "bird.ctl");
  server = createServer((socket) => {
    socket.write("0001 BIRD 2.0.12 ready.\n");
    socket.on("data", (data) => {
      for (const line of String(data).trim().split("\n")) {
        if (line === "be silent") continue;
        socket.write(line === "fail" ? "9001 syntax error\n" : `0013 ${line}\n`);
      }
    });
    socket.on("error", () => {});
  });
  await new Promise<void>((resolve) => server.listen(path, resolve));
});
afterEach(() => {
  server.close();
  rmSync(directory, { recursive: true, force: true });
});

it("answers commands in order over one connection", async () => {
  const control = new ControlConnection(path, 20_000);
  let connections = 0;
  server.on("connection", () => connections++);
  const replies = await Promise.all(["one", "two"].map((text) => control.command(text)));
  control.close();
  expect(replies.map(([line]) => line?.text)).toEqual(["one", "two"]);
  expect(connections).toBe(1);
});

it("keeps a process alive until the reply has come, and not longer", async () => {
  const program = `
    import { ControlConnection } from ${JSON.stringify(join(import.meta.dirname, "control.ts"))};
    const [line] = await new ControlConnection(${JSON.stringify(path)}, 20_000).command("show status");
    console.log(line.text);
  `;
  const argv = ["--input-type=module-typescript", "--eval", program];
  const { stdout } = await promisify(execFile)(process.execPath, argv, { timeout: 60_000 });
  expect(stdout).toBe("show status\n");
});

it("names what BIRD refused, and works on", async () => {
  const control = new ControlConnection(path, 20_000);
  await expect(control.command("fail")).rejects.toMatchObject({ code: "CommandFailed" });
  expect(await control.command("again")).toMatchObject([{ text: "again" }]);
  control.close();
});

it("gives up at the deadline and opens a new connection for the next command", async () => {
  const control = new ControlConnection(path, 200);
  await expect(control.command("be silent")).rejects.toMatchObject({ code: "Timeout" });
  const patient = new ControlConnection(path, 20_000);
  expect(await patient.command("again")).toMatchObject([{ text: "again" }]);
  patient.close();
  control.close();
});

it("says how to start BIRD when nothing answers", async () => {
  const error = await new ControlConnection(join(directory, "none"), 20_000).command("x").catch((e) => e);
  expect(error).toBeInstanceOf(BgpError);
  expect(error).toMatchObject({
    code: "Unreachable",
    message: expect.stringContaining("start BIRD with -s"),
  });
});
