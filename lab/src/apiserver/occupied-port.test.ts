import { spawnSync } from "node:child_process";
import { once } from "node:events";
import { type AddressInfo, createServer } from "node:net";
import { join } from "node:path";
import { expect, it } from "vitest";

it("a taken port ends the server with one line that names the address and who has it", async () => {
  const other = createServer().listen(0, "127.0.0.1");
  await once(other, "listening");
  try {
    const address = `127.0.0.1:${(other.address() as AddressInfo).port}`;
    const server = spawnSync(process.execPath, [join(import.meta.dirname, "main.ts"), "--bind", address], {
      encoding: "utf8",
      timeout: 30_000,
    });
    expect(server.status).toBe(1);
    expect(server.stderr).toMatch(
      new RegExp(
        `^apiserver: ${address} is taken by .+ \\(process ${process.pid}\\); end it, or give another address with --bind\\n$`,
      ),
    );
  } finally {
    other.close();
  }
});
