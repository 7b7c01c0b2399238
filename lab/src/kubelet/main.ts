/** `node main.ts --node-name N --kubeconfig FILE`: the lab's kubelet. SIGTERM ends it and leaves the pods running. */
import { parseArgs } from "node:util";
import { createApiClient } from "@fairlead/api";
import { logDirectory } from "../first/paths.ts";
import { startKubelet } from "./kubelet.ts";

const { values } = parseArgs({
  options: {
    "node-name": { type: "string" },
    kubeconfig: { type: "string" },
    "state-dir": { type: "string", default: "/run/lab-kubelet" },
    "cni-conf-dir": { type: "string", default: "/etc/cni/net.d" },
    "cni-bin-dir": { type: "string", default: "/opt/cni/bin" },
    "cni-cache-dir": { type: "string", default: "/var/lib/cni/results" },
    "log-dir": { type: "string", default: `${logDirectory}/pods` },
  },
});
const nodeName = values["node-name"];
if (!nodeName || !values.kubeconfig) {
  process.stderr.write("usage: main.ts --node-name NAME --kubeconfig FILE\n");
  process.exit(2);
}

const client = createApiClient({ kubeconfig: values.kubeconfig });
const kubelet = await startKubelet({
  client,
  nodeName,
  stateDirectory: values["state-dir"],
  networkDirectory: values["cni-conf-dir"],
  pluginDirectories: values["cni-bin-dir"].split(":"),
  resultsDirectory: values["cni-cache-dir"],
  logDirectory: values["log-dir"],
  environment: process.env,
  log: (message) => process.stdout.write(`${new Date().toISOString()} ${message}\n`),
});
for (const signal of ["SIGTERM", "SIGINT"] as const)
  process.once(signal, async () => {
    await kubelet[Symbol.asyncDispose]();
    await client.close();
  });
