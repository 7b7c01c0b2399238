import { getIfPresent, kinds, stringifyJson } from "@fairlead/api";
import {
  IpamError,
  parseConfigureOptions,
  parseLeakReport,
  problemCount,
  type ReportContext,
  readInventory,
  renderAddress,
  renderCheck,
  renderConfigured,
  renderReportedRelease,
  renderShow,
  writeLeakReport,
} from "@fairlead/ipam";
import { Command } from "commander";
import { type Session, show } from "./session.ts";
import { UsageError } from "./usage-error.ts";

type Open = () => Session;

/** `ipam show | check | release | split | configure`, with the incumbent's flags, and `--json`. */
export function ipamCommands(open: Open): Command {
  const ipam = new Command("ipam").description("IP address management");
  ipam.addCommand(showCommand(open));
  ipam.addCommand(checkCommand(open));
  ipam.addCommand(releaseCommand(open));
  ipam.addCommand(splitCommand(open));
  ipam.addCommand(configureCommand(open));
  return ipam;
}

function showCommand(open: Open): Command {
  interface Flags {
    readonly ip?: string;
    readonly showBlocks?: boolean;
    readonly showBorrowed?: boolean;
    readonly showConfiguration?: boolean;
    readonly json?: boolean;
  }
  return new Command("show")
    .description("usage of pools, blocks, one address, or the configuration")
    .option("--ip <IP>", "report whether this address is in use, and by whom")
    .option("--show-blocks", "usage of each block")
    .option("--show-borrowed", "addresses whose block belongs to another node")
    .option("--show-configuration", "the current settings")
    .option("--json", "machine-readable output")
    .action(async (flags: Flags) => {
      const session = open();
      if (flags.ip) {
        const address = await session.ipam.show(flags.ip);
        return show(session, flags.json === true, address, () => renderAddress(address));
      }
      const overview = await session.ipam.overview();
      const {
        showBlocks: blocks = false,
        showBorrowed: borrowed = false,
        showConfiguration: configuration = false,
      } = flags;
      show(session, flags.json === true, overview, () =>
        renderShow(overview, { blocks, borrowed, configuration }),
      );
    });
}

function checkCommand(open: Open): Command {
  interface Flags {
    readonly showAllIps?: boolean;
    readonly showProblemIps?: boolean;
    readonly output?: string;
    readonly json?: boolean;
  }
  return new Command("check")
    .description("compare allocations with what runs; knows VMs that are stopped")
    .option("--show-all-ips", "list every allocation")
    .option("--show-problem-ips", "list every address with a problem")
    .option("-o, --output <file>", "write a report for ipam release --from-report")
    .option("--json", "machine-readable output")
    .action(async (flags: Flags) => {
      const session = open();
      const report = await session.ipam.check(await readInventory(session.client));
      if (flags.output) {
        const written = writeLeakReport(report, await readContext(session));
        session.writeFile(flags.output, `${stringifyJson(written)}\n`);
      }
      const { showAllIps = false, showProblemIps = false } = flags;
      const value = { problems: problemCount(report), ...report };
      show(session, flags.json === true, value, () => renderCheck(report, { showAllIps, showProblemIps }));
    });
}

function releaseCommand(open: Open): Command {
  interface Flags {
    readonly ip?: string;
    readonly fromReport: readonly string[];
    readonly force?: boolean;
    readonly json?: boolean;
  }
  return new Command("release")
    .description("free an address, or all that reports of ipam check agree on")
    .option("--ip <IP>", "the address")
    .option(
      "--from-report <file>",
      "a report; may be given several times",
      (file: string, all: readonly string[]) => [...all, file],
      [],
    )
    .option("--force", "accept other versions' reports and a datastore that is not locked")
    .option("--json", "machine-readable output")
    .action(async (flags: Flags) => {
      const session = open();
      if ((flags.ip === undefined) === (flags.fromReport.length === 0))
        throw new UsageError("name either --ip or --from-report");
      if (flags.ip) {
        const result = await session.ipam.release([{ address: flags.ip }]);
        const [failure] = result.failures;
        if (failure) throw failure.error;
        if (result.released.length === 0)
          throw new IpamError("NotAllocated", `IP address ${flags.ip} is not assigned`);
        return show(
          session,
          flags.json === true,
          result,
          () => `Successfully released IP address ${flags.ip}\n`,
        );
      }
      const release = await session.ipam.releaseFromReports(
        flags.fromReport.map((file) => parseLeakReport(session.readFile(file), file)),
        await readContext(session),
        { force: flags.force === true },
      );
      show(session, flags.json === true, release, () => renderReportedRelease(release));
      const [failure] = release.failures;
      if (failure) throw failure.error;
    });
}

function splitCommand(open: Open): Command {
  interface Flags {
    readonly cidr?: string;
    readonly name?: string;
    readonly json?: boolean;
  }
  return new Command("split")
    .description("split a pool into equal parts; the datastore must be locked")
    .argument("<number>", "how many parts; a power of two")
    .option("--cidr <cidr>", "the pool, by its CIDR")
    .option("--name <name>", "the pool, by its name")
    .option("--json", "machine-readable output")
    .action(async (number: string, flags: Flags) => {
      const session = open();
      if ((flags.cidr === undefined) === (flags.name === undefined))
        throw new UsageError("name the pool by --cidr or --name");
      const { datastoreLocked } = await readContext(session);
      const name = flags.name ?? flags.cidr;
      const pool = flags.cidr === undefined ? { name: flags.name ?? "" } : { cidr: flags.cidr };
      const pools = await session.ipam.pools.split({ ...pool, number: Number(number), datastoreLocked });
      show(session, flags.json === true, pools, () =>
        [
          `IP Pool ${name} was successfully split into ${pools.length} smaller pools.`,
          ...pools.map(({ metadata, spec }) => `Created ${metadata.name} with CIDR ${spec.cidr}.`),
          "Please refer to the documentation for final steps.",
          "",
        ].join("\n"),
      );
    });
}

function configureCommand(open: Open): Command {
  interface Flags {
    readonly strictaffinity?: string;
    readonly maxBlocksPerHost?: string;
    readonly kubevirtIpPersistence?: string;
    readonly ipCooldownSeconds?: string;
    readonly json?: boolean;
  }
  return new Command("configure")
    .description("change settings of address management")
    .option("--strictaffinity <true|false>", "addresses only from the node's own blocks")
    .option("--max-blocks-per-host <N>", "blocks a node may have; 0: any number")
    .option("--kubevirt-ip-persistence <Enabled|Disabled>", "a VM keeps its address")
    .option("--ip-cooldown-seconds <N>", "how long a freed address rests")
    .option("--json", "machine-readable output")
    .action(async (flags: Flags) => {
      const session = open();
      const changes = parseConfigureOptions({
        strictaffinity: flags.strictaffinity,
        "max-blocks-per-host": flags.maxBlocksPerHost,
        "kubevirt-ip-persistence": flags.kubevirtIpPersistence,
        "ip-cooldown-seconds": flags.ipCooldownSeconds,
      });
      const effective = await session.ipam.configure(changes);
      show(session, flags.json === true, effective, () => renderConfigured(changes));
    });
}

/** What a leak report says of its cluster. A cluster without ClusterInformation is never locked. */
async function readContext({ client, version }: Session): Promise<ReportContext> {
  const cluster = await getIfPresent(client, kinds.ClusterInformation, { name: "default" });
  return {
    version,
    clusterGUID: cluster?.spec.clusterGUID ?? "",
    clusterInformationRevision: cluster?.metadata.resourceVersion ?? "",
    clusterType: cluster?.spec.clusterType ?? "",
    datastoreLocked: cluster?.spec.datastoreReady === false,
  };
}
