#!/usr/bin/env node
import { existsSync, mkdirSync } from "node:fs";
import { join } from "node:path";
import { createApiClient, createClusterView } from "@fairlead/api";
import { createBird } from "@fairlead/bgp";
import {
  createStateFiles,
  createThreadedWiring,
  installMessenger,
  openAttachmentFiles,
  openBeenReady,
  openStatusFiles,
  type StateFiles,
  serveCni,
} from "@fairlead/cni";
import {
  chooseHandleObjects,
  createIpam,
  createKubernetesFacts,
  createKubernetesStore,
  createViewSettings,
} from "@fairlead/ipam";
import { activePodName } from "@fairlead/kubevirt";
import { RouteSocket } from "@fairlead/netlink";
import { createPolicyEngine } from "@fairlead/policy";
import { createNftablesDataplane } from "@fairlead/policy/nftables";
import { createWorkloadRoutes } from "@fairlead/routes";
import { pino } from "pino";
import { collectDefaultMetrics } from "prom-client";
import { createAgent } from "./agent.ts";
import { systemClock } from "./clock.ts";
import { watchedKinds } from "./cluster-watch.ts";
import { installConflist } from "./conflist-installer.ts";
import { serveHealth } from "./health-server.ts";
import { areNotesLost } from "./lost-notes.ts";
import { openMigrationFiles } from "./migration-files.ts";
import { createNodeEvidence } from "./node-evidence.ts";
import { enableForwarding, uplinkMtu } from "./node-settings.ts";
import { type AgentOptions, readOptions } from "./options.ts";
import { watchPlugins } from "./plugins.ts";
import { createReflexes } from "./reflex.ts";
import { createRemarks, type Remarks } from "./remarks.ts";
import { readRoutePriorities } from "./route-priorities.ts";
import { openTimeline } from "./timeline.ts";
import { createWarnings } from "./warnings.ts";
import { abortWhenTold } from "./way-out.ts";

/** The real parts on this machine. Runs until the signal; leaves routes and rules in force. */
export async function runAgent(options: AgentOptions, signal: AbortSignal): Promise<void> {
  const { nodeName, runDir, stateDir } = options;
  const log = pino({ level: options.logLevel, base: { node: nodeName } });
  const report = (part: string) => (err: unknown) => log.error({ err, part }, "a problem was met");
  mkdirSync(runDir, { recursive: true, mode: 0o755 });
  await using resources = new AsyncDisposableStack();

  // Pods are refused entry by the kernel before anything may reach the API server.
  const policy = createPolicyEngine({ dataplane: createNftablesDataplane(), nodeName });
  resources.defer(() => policy.close());
  enableForwarding(report("ipv6"));
  if (options.cniBinDir) updateMessenger(options.cniBinDir, report("messenger"));

  const route = resources.use(RouteSocket.open());
  const client = createApiClient(options.kubeconfig ? { kubeconfig: options.kubeconfig } : {});
  resources.defer(() => client.close());
  const view = resources.use(createClusterView({ client, kinds: watchedKinds, logger: log }));
  const warnings = createWarnings({ client, nodeName, now: Date.now, onError: report("events") });
  const remarks = createRemarks({
    log,
    onNew: (reason, text) => warnings.warn({ kind: "Node", name: nodeName, uid: nodeName }, reason, text),
  });
  const reportFile = (file: string, err: unknown) =>
    log.error({ file, err }, "a file of the agent cannot be used; the agent goes on without it");
  const files = createStateFiles({ report: reportFile });
  const statusFiles = openStatusFiles(reportFile);
  resources.defer(keepTrying([files, statusFiles], remarks));
  // Where the API server does not answer, both wait at the same time.
  const [priorities, handleObjects] = await Promise.all([
    readRoutePriorities(client, join(stateDir, "priorities.json"), report("priorities"), { files }),
    chooseHandleObjects(client, options.handleObjects, {
      signal: AbortSignal.timeout(2_000),
      onError: report("handle objects"),
    }),
  ]);
  const store = createKubernetesStore({ client });
  const ipam = createIpam({
    store,
    settings: resources.use(createViewSettings({ view, store })),
    facts: createKubernetesFacts(client, { guestPodOf: activePodName }),
    handleObjects,
    logger: log,
  });
  const bird = createBird({
    controlSocket: join(runDir, "bird.ctl"),
    configFile: join(stateDir, "bird.conf"),
  });
  resources.defer(() => bird.close());

  const socketPath = join(runDir, "cni.sock");
  const beenReady = openBeenReady({ socketPath, onError: report("been-ready") });
  const attachmentsDir = join(stateDir, "attachments");
  const isLost = areNotesLost({
    directory: attachmentsDir,
    runDir,
    beenReady,
    onError: (err) => reportFile(attachmentsDir, err),
  });
  const agent = resources.use(
    createAgent({
      nodeName,
      client,
      view,
      workloads: ipam.workloads,
      policy,
      routes: createWorkloadRoutes({ route, priorities, onError: report("routes") }),
      priorities,
      reflexes: resources.use(createReflexes()),
      bird,
      wiring: resources.use(createThreadedWiring()),
      attachments: openAttachmentFiles(attachmentsDir, reportFile, { files, isLost }),
      evidence: createNodeEvidence({ route, client, onError: report("recovery") }),
      statusFiles,
      remarks,
      beenReady,
      memory: openMigrationFiles(join(stateDir, "migrations"), reportFile, files),
      timeline: resources.use(openTimeline(join(runDir, "events.jsonl"), report("timeline"))),
      clock: systemClock,
      log,
      readMtu: () => uplinkMtu(route),
    }),
  );
  collectDefaultMetrics({ register: agent.metrics.registry, prefix: "fairlead_" });
  const health = resources.use(
    await serveHealth({
      port: options.healthPort,
      host: options.healthHost,
      registry: agent.metrics.registry,
      complaints: agent.complaints,
      remarks: remarks.list,
      onError: report("health"),
    }),
  );
  resources.use(await serveCni({ cni: agent.cni, socketPath, onError: report("cni") }));
  log.info({ healthPort: health.port }, "agent is starting");
  await agent.start(signal);
  const { cniConfDir: confDir, cniBinDir: binDir } = options;
  const clock = systemClock;
  if (confDir) resources.use(installConflist({ view, confDir, binDir, clock, onError: report("conflist") }));
  if (confDir && binDir)
    resources.use(watchPlugins({ view, nodeName, confDir, binDir, clock, remarks, warnings }));
  await new Promise<void>((resolve) => signal.addEventListener("abort", () => resolve(), { once: true }));
  log.info("agent is stopping; routes and rules stay in force");
}

/** How often it is looked whether notes can be written again, milliseconds. */
const retryNotesEvery = 10_000;

/** Writes owed notes as soon as that is possible, and says how many there are meanwhile. Returns how to stop. */
function keepTrying(all: readonly StateFiles[], remarks: Remarks): () => void {
  function look(): void {
    for (const files of all) files.retry();
    const [first, ...more] = all.flatMap((files) => files.owed());
    const others = more.length > 0 ? ` and ${more.length} others` : "";
    remarks.say(
      "state",
      first ? [`${first}${others} cannot be written: is the disk full or read-only?`] : [],
    );
  }
  const timer = setInterval(look, retryNotesEvery);
  return () => {
    clearInterval(timer);
    look();
  };
}

/** The messenger of the last release is better than no agent, so a full disk stops only the first start. */
function updateMessenger(binDir: string, onError: (error: unknown) => void): void {
  try {
    installMessenger(binDir);
  } catch (error) {
    if (!existsSync(join(binDir, "fairlead-cni"))) throw error;
    onError(error);
  }
}

if (import.meta.main) {
  const late = () =>
    process.stderr.write("fairlead-node: calls under way have not ended; they are left to be repeated\n");
  const signal = abortWhenTold(process, late);
  try {
    await runAgent(readOptions(process.argv.slice(2)), signal);
  } catch (error) {
    if (!signal.aborted) {
      process.stderr.write(
        `fairlead-node: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}\n`,
      );
      process.exitCode = 1;
    }
  }
}
