import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { type ApiClient, createApiClient } from "@fairlead/api";
import { systemCodeOf } from "../error.ts";
import { createVirtApi, virtApiAccount } from "../kubevirt/api/virt-api.ts";
import { ownersOfPort } from "../process.ts";
import { startApiServer } from "./server.ts";

/**
 * `node main.ts --bind 172.20.20.1:6443 --dir DIR [--advertise NAME]... [--kubevirt]`: one ready line on stdout, SIGTERM ends it.
 * With `--kubevirt` virt-api has its say, as where KubeVirt is installed.
 */
const { values } = parseArgs({
  options: {
    bind: { type: "string", default: "127.0.0.1:0" },
    dir: { type: "string" },
    advertise: { type: "string", multiple: true, default: [] },
    kubevirt: { type: "boolean", default: false },
  },
});
const colon = values.bind.lastIndexOf(":");
const port = Number(values.bind.slice(colon + 1));
let virtApi: Promise<ApiClient> | undefined;
const server = await startApiServer({
  extensions: values.kubevirt ? [createVirtApi(connectVirtApi)] : [],
  host: values.bind.slice(0, colon).replace(/^\[|\]$/g, ""),
  port,
  advertise: values.advertise,
  ...(values.dir ? { directory: values.dir } : {}),
}).catch(explain);
if (values.dir) writeFileSync(join(values.dir, "admin.kubeconfig"), server.adminKubeconfig, { mode: 0o600 });
console.log(`ready ${server.url}`);
const stop = (): void => void server.close().then(() => process.exit(0));
process.on("SIGTERM", stop);
process.on("SIGINT", stop);

/** Once somebody needs it: then its namespace is there. */
function connectVirtApi(): Promise<ApiClient> {
  virtApi ??= server.kubeconfigFor(virtApiAccount).then((kubeconfig) => createApiClient({ kubeconfig }));
  return virtApi;
}

/** A taken address is the user's to free: one line that says who has it. */
async function explain(error: unknown): Promise<never> {
  if (systemCodeOf(error) !== "EADDRINUSE") throw error;
  const owners = (await ownersOfPort(port)).map(({ pid, name }) => `${name} (process ${pid})`);
  const who = owners.length === 0 ? "a process that cannot be seen from here" : owners.join(", ");
  process.stderr.write(
    `apiserver: ${values.bind} is taken by ${who}; end it, or give another address with --bind\n`,
  );
  process.exit(1);
}
