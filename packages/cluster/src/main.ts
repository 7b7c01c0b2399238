#!/usr/bin/env node
import { createApiClient, createClusterView, kinds } from "@fairlead/api";
import {
  chooseHandleObjects,
  createIpam,
  createKubernetesFacts,
  createKubernetesStore,
  handleObjectsSettings,
  readInventory,
} from "@fairlead/ipam";
import { Command, Option } from "commander";
import { pino } from "pino";
import { createPoolController } from "./pool-controller.ts";
import { runRounds } from "./rounds.ts";
import { createUnsupportedReporter } from "./unsupported.ts";

interface Options {
  readonly kubeconfig?: string;
  readonly logLevel: string;
  /** Seconds an address must look leaked; 0 switches collection off. */
  readonly leakGrace: number;
  /** Which pods get IPAMHandle objects, as the agents are told. */
  readonly handleObjects: (typeof handleObjectsSettings)[number];
}

function readOptions(argv: readonly string[]): Options {
  const option = (flags: string, text: string, variable: string) => new Option(flags, text).env(variable);
  return new Command("fairlead-cluster")
    .description("The Fairlead controller of one cluster")
    .addOption(
      option(
        "--kubeconfig <file>",
        "how to reach the API server; default: the service account",
        "KUBECONFIG",
      ),
    )
    .addOption(option("--log-level <level>", "least level to log", "FAIRLEAD_LOG_LEVEL").default("info"))
    .addOption(
      option("--leak-grace <seconds>", "how long an address must look leaked", "FAIRLEAD_LEAK_GRACE")
        .argParser(Number)
        .default(15 * 60),
    )
    .addOption(
      option(
        "--handle-objects <which>",
        "write an IPAMHandle object for every pod; auto: while the incumbent's agents run in the cluster",
        "FAIRLEAD_HANDLE_OBJECTS",
      )
        .choices(handleObjectsSettings)
        .default("auto"),
    )
    .parse(argv, { from: "user" })
    .opts<Options>();
}

async function run(options: Options, signal: AbortSignal): Promise<void> {
  const log = pino({ level: options.logLevel, base: { component: "fairlead-cluster" } });
  await using resources = new AsyncDisposableStack();
  const client = createApiClient(options.kubeconfig ? { kubeconfig: options.kubeconfig } : {});
  resources.defer(() => client.close());
  const view = resources.use(
    createClusterView({
      client,
      kinds: [kinds.Installation, kinds.IPPool, kinds.FelixConfiguration],
      logger: log,
    }),
  );
  const ipam = createIpam({
    store: createKubernetesStore({ client }),
    inventory: () => readInventory(client),
    handleObjects: await chooseHandleObjects(client, options.handleObjects, {
      signal: AbortSignal.timeout(10_000),
      onError: (err) => log.error({ err }, "handle objects"),
    }),
    logger: log,
  });
  await view.synced(signal);

  const controller = createPoolController({ client, view, pools: ipam.pools, log });
  const unsupported = createUnsupportedReporter({ client, view, log });
  const pools = resources.use(
    runRounds({
      async work() {
        await controller.reconcile();
        await unsupported.report();
      },
      interval: 60_000,
      onError: (err) => log.error({ err }, "pools are not as the Installation wants them; trying again"),
    }),
  );
  resources.use(view.subscribe(kinds.Installation, pools.touch, { replay: false }));
  resources.use(view.subscribe(kinds.IPPool, pools.touch, { replay: false }));
  resources.use(view.subscribe(kinds.FelixConfiguration, pools.touch, { replay: false }));

  const graceMs = options.leakGrace * 1000;
  if (graceMs > 0) {
    const collector = ipam.collector({ facts: createKubernetesFacts(client), graceMs });
    resources.use(
      runRounds({
        async work() {
          const report = await collector.scan();
          if (report.released.length + report.clearedOwners.length + report.problems.length > 0)
            log.info({ report }, "collected addresses");
        },
        interval: graceMs / 2,
        onError: (err) => log.error({ err }, "leaked addresses could not be collected; trying again"),
      }),
    );
  }
  log.info("controller started");
  await new Promise<void>((resolve) => signal.addEventListener("abort", () => resolve(), { once: true }));
}

if (import.meta.main) {
  const abort = new AbortController();
  const leave = () => {
    abort.abort();
    // A round that does not end is cut off as by a crash: its successor finds what it left half done and completes it.
    setTimeout(() => process.exit(1), 20_000).unref();
  };
  for (const name of ["SIGINT", "SIGTERM"] as const) process.once(name, leave);
  try {
    await run(readOptions(process.argv.slice(2)), abort.signal);
  } catch (error) {
    if (!abort.signal.aborted) {
      process.stderr.write(
        `fairlead-cluster: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}\n`,
      );
      process.exitCode = 1;
    }
  }
}
