/**
 * `node --import effects.preload.ts <agent>`: a preload that stands between the agent, its threads and the world. Each effect has a name; when the name in
 * `$FAIRLEAD_EFFECTS/armed` comes up, the process is killed or told to end before that effect, or waits until it is let go. The agent itself knows nothing of this.
 */
import fs, { appendFileSync, existsSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { syncBuiltinESMExports } from "node:module";
import { Server, Socket } from "node:net";
import { basename, join } from "node:path";
import { isMainThread, threadName } from "node:worker_threads";
import { HttpApiClient } from "../../../../packages/api/src/http/http-client.ts";
import { NetlinkSocket } from "../../../../packages/netlink/src/netlink-socket.ts";
import { NftablesSocket } from "../../../../packages/policy/src/nftables/socket.ts";
import type { Armed } from "./effects.ts";

const directory = process.env.FAIRLEAD_EFFECTS!;
const at = (name: string) => join(directory, name);
/** Messages of rtnetlink(7) that change something. */
const messages: Readonly<Record<number, string>> = {
  16: "make link",
  17: "delete link",
  19: "set link",
  20: "add address",
  24: "add route",
  25: "delete route",
};

function before(effect: string): void {
  appendFileSync(at("effects"), `${effect}\n`);
  const armed = readArmed();
  if (armed?.effect !== effect) return;
  if (armed.action === "terminate") {
    rmSync(at("armed"));
    process.kill(process.pid, "SIGTERM");
    return;
  }
  if (armed.action === "kill") process.kill(process.pid, "SIGKILL");
  else writeFileSync(at("reached"), effect);
  const still = new Int32Array(new SharedArrayBuffer(4));
  while (armed.action === "kill" || existsSync(at("armed"))) Atomics.wait(still, 0, 0, 5);
}

function readArmed(): Armed | undefined {
  try {
    return JSON.parse(readFileSync(at("armed"), "utf8")) as Armed;
  } catch {
    return undefined;
  }
}

/** Puts `before(name(...))` in front of a method; undefined: no effect. */
function guard<A extends unknown[]>(
  target: object,
  method: string,
  name: (self: unknown, ...args: A) => string | undefined,
): void {
  const original = Reflect.get(target, method) as (...args: A) => unknown;
  Reflect.set(target, method, function (this: unknown, ...args: A) {
    const effect = name(this, ...args);
    if (effect !== undefined) before(effect);
    return original.apply(this, args);
  });
}

/** Routes of the node are the main thread's, pods are wired by a thread of their own; the others only rehearse. */
const side = isMainThread ? "node" : threadName === "fairlead-wiring" ? "pod" : undefined;
const linkOf = (type: number) => (side && messages[type] ? `${side}: ${messages[type]}` : undefined);
guard(NetlinkSocket.prototype, "request", (_, type: number) => linkOf(type));
guard(NetlinkSocket.prototype, "batch", (_, items: readonly { type: number }[]) =>
  linkOf(items[0]?.type ?? 0),
);
guard(NftablesSocket.prototype, "commit", () => "policy transaction");
for (const method of ["create", "replace", "patch", "delete"])
  guard(HttpApiClient.prototype, method, (_, { kind }: { kind: string }) => `${method} ${kind}`);

/** Files of the agent's that outlive it. */
function fileOf(path: string): string | undefined {
  if (path.includes("/attachments/")) return "attachment";
  return path.includes("/status/") ? "endpoint status" : undefined;
}
guard(fs, "renameSync", (_, from: string, to: string) => {
  const file = fileOf(to);
  return file === "attachment" ? `attachment ${JSON.parse(readFileSync(from, "utf8")).step}` : file;
});
guard(fs, "rmSync", (_, path: string) => {
  const file = basename(path).endsWith(".tmp") ? undefined : fileOf(path);
  return file && `${file} removed`;
});
syncBuiltinESMExports();

guard(Socket.prototype, "end", (self, data?: unknown) => {
  const { server } = self as { server?: unknown };
  const isMessenger = server instanceof Server && typeof server.address() === "string";
  return isMessenger && data instanceof Uint8Array ? "answer" : undefined;
});
