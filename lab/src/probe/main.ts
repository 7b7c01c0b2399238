/**
 * `node main.ts --plans FILE --output FILE`: runs probes until SIGTERM, then writes what they saw.
 * It creates `OUTPUT.ready` once every probe has had its first answer.
 */
import { readFileSync, writeFileSync } from "node:fs";
import { parseArgs } from "node:util";
import type { ProbePlan, RunningProbe } from "./recording.ts";
import { startTcpStream } from "./tcp.ts";
import { startUdpEcho } from "./udp.ts";

const { values } = parseArgs({ options: { plans: { type: "string" }, output: { type: "string" } } });
if (!values.plans || !values.output) {
  process.stderr.write("usage: main.ts --plans FILE --output FILE\n");
  process.exit(2);
}
const output = values.output;

const plans: ProbePlan[] = JSON.parse(readFileSync(values.plans, "utf8"));
const probes: RunningProbe[] = plans.map((plan) =>
  plan.kind === "udp-echo" ? startUdpEcho(plan) : startTcpStream(plan),
);

const waiting = setInterval(() => {
  if (probes.some((probe) => probe.recording().arrivals.length === 0)) return;
  clearInterval(waiting);
  writeFileSync(`${output}.ready`, "");
}, 20);

process.once("SIGTERM", () => {
  writeFileSync(output, JSON.stringify(probes.map((probe) => probe.recording())));
  for (const probe of probes) probe.stop();
  process.exit(0);
});
