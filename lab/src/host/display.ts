import type { LabStatus } from "../control/protocol.ts";
import type { ProgressEvent } from "../first/progress.ts";

interface Output {
  write(text: string): unknown;
}

/** Prints a line for each step as it ends. */
export function showProgress(output: Output): (event: ProgressEvent) => void {
  return (event) => {
    if (event.event === "finished") output.write(`  ✓ ${event.step} (${event.milliseconds} ms)\n`);
    if (event.event === "failed") output.write(`  ✗ ${event.step}\n`);
  };
}

/** Prints machines and processes as columns. */
export function printStatus(status: LabStatus, output: Output): void {
  const megabytes = (bytes: number) => (bytes === 0 ? "-" : `${(bytes / 1e6).toFixed(0)} MB`);
  const rows = status.processes.map((p) => [
    p.name,
    p.state,
    String(p.pid ?? "-"),
    String(p.restarts),
    megabytes(p.memory),
    p.lastExit ?? "",
  ]);
  output.write(
    `${status.topology}: up ${Math.round(status.uptime / 1000)} s, ${megabytes(status.memory)}; machines: ${status.nodes
      .map((n) => `${n.name} (${n.role})`)
      .join(", ")}\n\n`,
  );
  output.write(columns([["PROCESS", "STATE", "PID", "RESTARTS", "MEMORY", "LAST EXIT"], ...rows]));
  for (const remark of status.remarks) output.write(`remark: ${remark}\n`);
}

function columns(rows: readonly string[][]): string {
  const widths = rows[0]!.map((_, i) => Math.max(...rows.map((row) => row[i]!.length)));
  return rows
    .map(
      (row) =>
        `${row
          .map((cell, i) => cell.padEnd(widths[i]!))
          .join("  ")
          .trimEnd()}\n`,
    )
    .join("");
}
