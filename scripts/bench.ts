/**
 * Runs every benchmark of the packages (`bench/*.bench.ts`) and of the lab whose path contains one of the words given, and prints
 * each figure beside the floor that nothing can beat (a kernel call, an API round trip, QEMU) and the ratio.
 */
import { globSync } from "node:fs";
import { pathToFileURL } from "node:url";

/** One measured figure. `floor` is what the machine itself needs for the same thing, in the same unit. */
export interface Figure {
  readonly name: string;
  readonly value: number;
  /** For example `µs`, `ms`, `1/s`, `bytes`, `requests`. */
  readonly unit: string;
  readonly floor?: { readonly name: string; readonly value: number };
}

/** What a benchmark file's default export receives. */
export interface Bench {
  /** Prints one figure. */
  report(figure: Figure): void;
  /** Prints a heading or a remark. */
  say(text: string): void;
}

/** Quantile `q` (0 to 1) of unsorted samples. */
export function quantile(samples: readonly number[], q: number): number {
  const sorted = [...samples].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(q * sorted.length))] ?? Number.NaN;
}

const show = (n: number) => (Math.abs(n) >= 100 ? n.toFixed(0) : n.toPrecision(3));

const terminal: Bench = {
  report({ name, value, unit, floor }) {
    const limit = floor
      ? `  floor ${show(floor.value)} ${unit} (${floor.name})  ratio ${show(value / floor.value)}`
      : "";
    process.stdout.write(`${name.padEnd(58)} ${show(value).padStart(10)} ${unit.padEnd(9)}${limit}\n`);
  },
  say(text) {
    process.stdout.write(`\n${text}\n`);
  },
};

async function main(words: readonly string[]) {
  const files = globSync(["packages/*/bench/*.bench.ts", "lab/bench/*.bench.ts"]).sort();
  const chosen = files.filter((file) => words.length === 0 || words.some((word) => file.includes(word)));
  if (chosen.length === 0) {
    process.stderr.write(`no benchmark matches ${words.join(" ")}; there are:\n${files.join("\n")}\n`);
    process.exit(1);
  }
  for (const file of chosen) {
    terminal.say(`# ${file}`);
    const module: { default: (bench: Bench) => Promise<void> } = await import(pathToFileURL(file).href);
    await module.default(terminal);
  }
}

// Not awaited: a benchmark may import this module, and would wait for it to finish, which waits for the benchmark.
if (import.meta.main) void main(process.argv.slice(2));
