import { chmodSync, existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";

/** One execution of a plug-in as the plug-in saw it. */
export interface PluginCall {
  readonly plugin: string;
  /** Its `CNI_` variables. */
  readonly env: Readonly<Record<string, string>>;
  readonly config: Readonly<Record<string, unknown>>;
}

/** What a plug-in does when a command comes. */
export interface PluginAnswer {
  readonly stdout?: object | string;
  readonly stderr?: string;
  readonly status?: number;
  /** Never ends. */
  readonly hangs?: boolean;
}

/**
 * A directory of plug-ins that write down how they were called and answer as told. The plug-ins are shell scripts: they see
 * exactly the environment and the standard input they were given.
 */
export class RecordingPlugins {
  readonly directory: string;
  readonly #log: string;

  constructor(directory: string) {
    this.directory = directory;
    this.#log = join(directory, ".calls");
    mkdirSync(directory, { recursive: true });
  }

  /** Installs a plug-in, or changes what it answers; a command without an answer succeeds and prints nothing. */
  install(name: string, answers: Readonly<Partial<Record<string, PluginAnswer>>> = {}): void {
    const cases = Object.entries(answers).map(([command, answer], index) => {
      const file = join(this.directory, `.${name}.${index}`);
      const { stdout = "" } = answer ?? {};
      writeFileSync(file, typeof stdout === "string" ? stdout : JSON.stringify(stdout));
      const errors = answer?.stderr === undefined ? "" : `echo '${answer.stderr}' >&2;`;
      if (answer?.hangs) return `${command}) exec sleep 600;;`;
      return `${command}) ${errors} cat '${file}'; exit ${answer?.status ?? 0};;`;
    });
    const script = [
      "#!/bin/sh",
      "config=$(cat)",
      `{ echo 'plugin=${name}'; env | grep '^CNI_' | sort; printf '%s\\n' "$config" | tr -d '\\n'; echo; echo .; } >>'${this.#log}'`,
      `case $CNI_COMMAND in ${cases.join(" ")} esac`,
    ];
    const path = join(this.directory, name);
    writeFileSync(path, `${script.join("\n")}\n`);
    chmodSync(path, 0o755);
  }

  /** Calls since the last time, oldest first. */
  takeCalls(): PluginCall[] {
    if (!existsSync(this.#log)) return [];
    const text = readFileSync(this.#log, "utf8");
    writeFileSync(this.#log, "");
    return text
      .split("\n.\n")
      .filter((entry) => entry.trim() !== "")
      .map((entry) => {
        const lines = entry.split("\n");
        const config = JSON.parse(lines.at(-1)!) as Record<string, unknown>;
        const pairs = lines
          .slice(1, -1)
          .map((line) => [line.slice(0, line.indexOf("=")), line.slice(line.indexOf("=") + 1)]);
        return { plugin: lines[0]!.slice("plugin=".length), env: Object.fromEntries(pairs), config };
      });
  }
}
