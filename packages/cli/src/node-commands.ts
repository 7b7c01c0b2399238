import { join } from "node:path";
import { BgpError, type BirdStatus, createBird, type ProtocolStatus } from "@fairlead/bgp";
import { Command } from "commander";
import { type Session, show } from "./session.ts";

type Open = () => Session;

/** `node status`: this node's BIRD and its sessions. Needs the right to open BIRD's socket. */
export function nodeCommands(open: Open): Command {
  const node = new Command("node").description("this node");
  node
    .command("status")
    .description("state of BIRD and its sessions on this node")
    .option("--json", "machine-readable output")
    .action(async (flags: { readonly json?: boolean }) => {
      const session = open();
      const status = await readStatus(session.runDir);
      show(session, flags.json === true, status ?? { state: "down" }, () => renderStatus(status));
    });
  return node;
}

async function readStatus(runDir: string): Promise<BirdStatus | undefined> {
  const bird = createBird({ controlSocket: join(runDir, "bird.ctl"), configFile: "" });
  try {
    return await bird.status(AbortSignal.timeout(5_000));
  } catch (error) {
    if (error instanceof BgpError && error.code === "Unreachable") return undefined;
    throw error;
  } finally {
    bird.close();
  }
}

/** What `node status` prints: a table of sessions for each family. */
export function renderStatus(status: BirdStatus | undefined): string {
  if (!status) return "Calico process is not running.\n";
  const sessions = status.protocols.filter(({ type, neighbour }) => type === "BGP" && neighbour);
  const table = (title: string, ofFamily: (address: string) => boolean) => {
    const rows = sessions.filter(({ neighbour }) => ofFamily(neighbour?.address ?? ""));
    if (rows.length === 0) return [title, "No peers found.", ""];
    return [title, ...draw([["PEER ADDRESS", "PEER TYPE", "STATE", "INFO"], ...rows.map(rowOf)]), ""];
  };
  return [
    "Calico process is running.",
    "",
    ...table("IPv4 BGP status", (address) => !address.includes(":")),
    ...table("IPv6 BGP status", (address) => address.includes(":")),
  ].join("\n");
}

function rowOf({ name, up, info, neighbour }: ProtocolStatus): string[] {
  const type = name.startsWith("mesh")
    ? "node-to-node mesh"
    : name.startsWith("global")
      ? "global"
      : "node specific";
  return [neighbour?.address ?? "", type, up ? "up" : "start", info];
}

function draw(rows: readonly (readonly string[])[]): string[] {
  const widths = rows[0]?.map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0))) ?? [];
  const line = `+${widths.map((width) => "-".repeat(width + 2)).join("+")}+`;
  const print = (row: readonly string[]) =>
    `|${row.map((cell, i) => ` ${cell.padEnd(widths[i] ?? 0)} `).join("|")}|`;
  const [head = [], ...body] = rows;
  return [line, print(head), line, ...body.map(print), line];
}
