import { setTimeout as delay } from "node:timers/promises";
import { readConfig, stageConfig } from "./config-file.ts";
import { ControlConnection } from "./control.ts";
import { BgpError } from "./error.ts";
import type { ReplyLine } from "./reply.ts";
import { parseProtocols, parseRoutes, parseStatus } from "./reply-parser.ts";
import { isRestartUnnoticed, restartsProtocols } from "./restart.ts";
import { destinationsOf, elsewhere } from "./routes-elsewhere.ts";
import type { BirdStatus, RouteElsewhere, RouteEntry } from "./status.ts";

/** Where a BIRD is reached. */
export interface BirdOptions {
  /** BIRD's control socket, for example `/run/fairlead/bird.ctl`. */
  readonly controlSocket: string;
  /** The file BIRD reads, for example `/var/lib/fairlead/bird.conf`. BIRD must see it under the same path. */
  readonly configFile: string;
  /** Milliseconds for one command. Default 5000. */
  readonly timeout?: number;
}

/** A BIRD process, reached through its control socket. */
export interface Bird {
  /**
   * Puts a configuration in force: has BIRD check it, replaces the file atomically, reconfigures, and resolves when BIRD runs
   * with it (`applied`, or `unchanged` when it already did). When BIRD does not run, the file is replaced (`written`) and BIRD
   * will start with it. Calls take effect one after the other.
   *
   * Where the change would end sessions, BIRD is told to restart instead, if all neighbours keep its routes meanwhile: whoever started it
   * starts it again (`entry/bird.sh` does).
   *
   * @throws BgpError `Rejected` with the position when BIRD refuses it; file and BIRD stay as they were.
   */
  apply(configuration: string, signal?: AbortSignal): Promise<"applied" | "unchanged" | "written">;
  /** @throws BgpError `Unreachable` when BIRD does not run. */
  status(signal?: AbortSignal): Promise<BirdStatus>;
  /** Routes of both families, or those for exactly this network. */
  routes(network?: string, signal?: AbortSignal): Promise<readonly RouteEntry[]>;
  /**
   * What other nodes announce for these host routes (`10.244.1.5/32`, `fd00::5/128`), also where a better one hides it here: only what
   * was learned over BGP, nothing of this node's kernel. Of each destination the best 64. Asks nothing when there are none.
   *
   * @throws BgpError `Unreachable` when BIRD does not run, `Recovering` while its neighbours have not told it everything since its start.
   * @throws {TypeError} when a destination is no host route, or there are more than 64
   */
  routesElsewhere(destinations: readonly string[], signal?: AbortSignal): Promise<readonly RouteElsewhere[]>;
  close(): void;
}

/** BIRD's reply codes this client acts on (BIRD: `doc/reply_codes`). */
const code = {
  reconfigured: 3,
  reconfiguring: 4,
  networkNotFound: 8001,
  configurationError: 8002,
} as const;

/** Opens no connection yet: BIRD may start later. */
export function createBird({ controlSocket, configFile, timeout = 5_000 }: BirdOptions): Bird {
  const control = new ControlConnection(controlSocket, timeout);
  /** Of its own, so that no question waits for a configuration. */
  const questions = new ControlConnection(controlSocket, timeout);
  let running: string | undefined;
  let turn: Promise<unknown> = Promise.resolve();

  async function settled(signal: AbortSignal | undefined): Promise<void> {
    const deadline = AbortSignal.timeout(timeout);
    for (;;) {
      const lines = await control.command("show status", signalOption(signal));
      if (parseStatus(lines).state !== "reconfiguring") return;
      if (deadline.aborted)
        throw new BgpError("Timeout", `BIRD is still reconfiguring after ${timeout} ms; look at its log`);
      await delay(2, undefined, signalOption(signal));
    }
  }

  async function configure(command: string, signal: AbortSignal | undefined) {
    const lines = await control.command(command, {
      ...signalOption(signal),
      expected: [code.configurationError],
    });
    const error = lines.find((line) => line.code === code.configurationError);
    if (error !== undefined) throw rejection(error);
    return lines;
  }

  async function isUnnoticed(signal: AbortSignal | undefined): Promise<boolean> {
    return isRestartUnnoticed(
      parseProtocols(await control.command("show protocols all", signalOption(signal))),
    );
  }

  /** Ends BIRD without a word, and waits for the one that comes after it. */
  async function restart(configuration: string, signal: AbortSignal | undefined) {
    await control.command("graceful restart", signalOption(signal));
    const deadline = AbortSignal.timeout(timeout);
    while (!deadline.aborted) {
      const lines = await control.command("show status", signalOption(signal)).catch((error: unknown) => {
        if (isAway(error)) return undefined;
        throw error;
      });
      if (lines !== undefined && parseStatus(lines).state !== "stopping") {
        running = configuration;
        return "applied";
      }
      await delay(20, undefined, signalOption(signal));
    }
    return "written";
  }

  async function apply(configuration: string, signal?: AbortSignal) {
    const present = await readConfig(configFile);
    const reachable = await control.command("show status", signalOption(signal)).then(
      () => true,
      (error: unknown) => {
        if (isAway(error)) return false;
        throw error;
      },
    );
    if (!reachable) running = undefined;
    if (reachable && running === configuration && present === configuration) return "unchanged";
    const staged = await stageConfig(configFile, configuration);
    try {
      if (reachable) await configure(`configure check "${staged.path}"`, signal);
      await staged.commit();
    } catch (error) {
      await staged.discard();
      throw error;
    }
    if (!reachable) return "written";
    running = undefined;
    if (present !== undefined && restartsProtocols(present, configuration) && (await isUnnoticed(signal)))
      return restart(configuration, signal);
    const lines = await configure("configure", signal);
    if (!lines.some((line) => line.code === code.reconfigured)) await settled(signal);
    running = configuration;
    return "applied";
  }

  return {
    apply(configuration, signal) {
      const result = turn.then(() => apply(configuration, signal));
      turn = result.catch(() => undefined);
      return result;
    },
    async status(signal) {
      const status = parseStatus(await control.command("show status", signalOption(signal)));
      const protocols = parseProtocols(await control.command("show protocols all", signalOption(signal)));
      return { ...status, protocols };
    },
    async routes(network, signal) {
      if (network !== undefined && !/^[0-9a-fA-F.:/]+$/.test(network))
        throw new TypeError(`${JSON.stringify(network)} is not a network`);
      const lines = await control.command(`show route ${network === undefined ? "" : `${network} `}all`, {
        ...signalOption(signal),
        expected: [code.networkNotFound],
      });
      return parseRoutes(lines);
    },
    async routesElsewhere(destinations, signal) {
      const found: RouteElsewhere[] = [];
      const asked = destinationsOf(destinations);
      if (
        asked.length > 0 &&
        parseStatus(await questions.command("show status", signalOption(signal))).state === "recovering"
      )
        throw new BgpError(
          "Recovering",
          "BIRD has just started and does not know what others announce; ask again later",
        );
      for (const destination of asked) {
        const lines = await questions.command(`show route ${destination.network} all`, {
          ...signalOption(signal),
          expected: [code.networkNotFound],
        });
        found.push(...elsewhere(destination, parseRoutes(lines)));
      }
      return found;
    },
    close() {
      control.close();
      questions.close();
    },
  };
}

/** BIRD does not run, or is just ending. */
const isAway = (error: unknown) =>
  error instanceof BgpError && (error.code === "Unreachable" || error.code === "Closed");

function signalOption(signal: AbortSignal | undefined): { signal?: AbortSignal } {
  return signal === undefined ? {} : { signal };
}

/** BIRD says `file:line:column message`. */
function rejection(line: ReplyLine): BgpError {
  const match = /:(\d+):(\d+) (.*)$/.exec(line.text);
  const position = match === null ? undefined : { line: Number(match[1]), column: Number(match[2]) };
  return new BgpError(
    "Rejected",
    `BIRD refuses the configuration: ${match?.[3] ?? line.text}${position ? ` (line ${position.line})` : ""}; the previous one stays in force`,
    position === undefined ? {} : { position },
  );
}
