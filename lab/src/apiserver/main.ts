import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { startApiServer } from "./server.ts";

/** `node main.ts --bind 172.20.20.1:6443 --dir DIR [--advertise NAME]...`: one ready line on stdout, SIGTERM ends it. */
const { values } = parseArgs({
  options: {
    bind: { type: "string", default: "127.0.0.1:0" },
    dir: { type: "string" },
    advertise: { type: "string", multiple: true, default: [] },
  },
});
const colon = values.bind.lastIndexOf(":");
const server = await startApiServer({
  host: values.bind.slice(0, colon).replace(/^\[|\]$/g, ""),
  port: Number(values.bind.slice(colon + 1)),
  advertise: values.advertise,
  ...(values.dir ? { directory: values.dir } : {}),
});
if (values.dir) writeFileSync(join(values.dir, "admin.kubeconfig"), server.adminKubeconfig, { mode: 0o600 });
console.log(`ready ${server.url}`);
const stop = (): void => void server.close().then(() => process.exit(0));
process.on("SIGTERM", stop);
process.on("SIGINT", stop);
