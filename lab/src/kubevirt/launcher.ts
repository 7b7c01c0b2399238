/**
 * `node launcher.ts`, the `compute` container of a virt-launcher pod: runs inside the pod's network namespace and does
 * what the node's virt-handler asks over a unix socket.
 *
 * Environment: POD_UID, POD_NAME, VMI_NAME, VMI_HOSTNAME from the pod; FAIRLEAD_LAB_NODE, FAIRLEAD_LAB_CACHE
 * (default lab/out/cache) and FAIRLEAD_LAB_KUBEVIRT (default /run/kubevirt) from the node.
 */
import { mkdirSync, readFileSync, rmSync } from "node:fs";
import { hostname } from "node:os";
import { defaultCache, prepareGuest } from "../qemu/index.ts";
import { openJournal } from "./journal.ts";
import { LauncherDomain } from "./launcher-domain.ts";
import {
  defaultRoot,
  type LauncherMethods,
  type LauncherStatus,
  launcherDirectory,
  launcherSocket,
} from "./launcher-protocol.ts";
import { serveRpc } from "./rpc.ts";

const required = (name: string): string => {
  const value = process.env[name];
  if (value !== undefined && value !== "") return value;
  process.stderr.write(`virt-launcher: the environment has no ${name}\n`);
  process.exit(2);
};

const root = process.env.FAIRLEAD_LAB_KUBEVIRT ?? defaultRoot;
const directory = launcherDirectory(root, required("POD_UID"));
mkdirSync(directory, { recursive: true });
rmSync(launcherSocket(directory), { force: true });

const guest = await prepareGuest({ cache: process.env.FAIRLEAD_LAB_CACHE ?? defaultCache });

let finish: (code: number) => void = () => {};
const finished = new Promise<number>((resolve) => {
  finish = resolve;
});
const domain = new LauncherDomain({
  directory,
  hostname: required("VMI_HOSTNAME"),
  dns: nameServers(),
  guest,
  journal: openJournal(`${root}/events.jsonl`, {
    vmi: required("VMI_NAME"),
    node: process.env.FAIRLEAD_LAB_NODE ?? hostname(),
    pod: required("POD_NAME"),
  }),
  onStatus: (status) => server.publish(status),
  onExit: (code) => finish(code),
});
const methods = {
  start: domain.start.bind(domain),
  prepareTarget: domain.prepareTarget.bind(domain),
  migrate: domain.migrate.bind(domain),
  abort: domain.abort.bind(domain),
  shutdown: domain.shutdown.bind(domain),
  exit: domain.exit.bind(domain),
};
const server = await serveRpc<LauncherMethods, LauncherStatus>(launcherSocket(directory), methods, () =>
  domain.status(),
);

const graceSeconds = Number(process.env.VMI_GRACE ?? 30);
process.on("SIGTERM", () => void domain.shutdown({ grace: graceSeconds }).then(() => finish(0)));
process.on("SIGINT", () => finish(1));

process.exitCode = await finished;
await domain.kill();
process.exit();

function nameServers(): string[] {
  const servers = [
    ...readFileSync("/etc/resolv.conf", "utf8").matchAll(/^nameserver (\d+\.\d+\.\d+\.\d+)$/gm),
  ];
  return servers.length > 0 ? servers.map((match) => match[1]!) : ["8.8.8.8"];
}
