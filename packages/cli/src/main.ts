#!/usr/bin/env node
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { CommanderError } from "commander";
import { calicoctlConfigFile, kubeconfigOf } from "./calicoctl-config.ts";
import { createProgram } from "./program.ts";
import { openCluster, type Session } from "./session.ts";

/** Runs one command; resolves with the exit code. Mistakes and failures are one line on stderr, with what to do next. */
export async function main(calledAs: string, args: readonly string[]): Promise<number> {
  let session: Session | undefined;
  const program = createProgram(calledAs, ({ kubeconfig, config, context, runDir }) => {
    session = {
      ...openCluster(kubeconfig ?? configuredKubeconfig(config), context),
      print: (text) => void process.stdout.write(text),
      readFile: (path) => readFileSync(path, "utf8"),
      writeFile: (path, text) => writeFileSync(path, text, { mode: 0o600 }),
      version: ownVersion(),
      runDir,
    };
    return session;
  });
  try {
    await program.parseAsync(args, { from: "user" });
    return 0;
  } catch (error) {
    // Commander has said it already.
    if (error instanceof CommanderError) return error.exitCode;
    process.stderr.write(`${explain(error)}\n`);
    return 1;
  } finally {
    await session?.client.close();
  }
}

/** What the incumbent's configuration file says; one that is not named need not exist. */
function configuredKubeconfig(named: string | undefined): string | undefined {
  const file = named ?? calicoctlConfigFile;
  return named || existsSync(file) ? kubeconfigOf(readFileSync(file, "utf8"), file) : undefined;
}

/** The version of this package, from source and from `dist` alike. */
function ownVersion(): string {
  return JSON.parse(readFileSync(join(import.meta.dirname, "..", "package.json"), "utf8")).version;
}

function explain(error: unknown): string {
  const { message, remedy } = error as { message?: unknown; remedy?: unknown };
  const text = typeof message === "string" ? message : String(error);
  return typeof remedy === "string" && !text.includes(remedy) ? `${text}\n${remedy}` : text;
}

if (import.meta.main) process.exitCode = await main(process.argv[1] ?? "fairleadctl", process.argv.slice(2));
