import { existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { type ClusterView, type Installation, kinds, problemsOf } from "@fairlead/api";
import { conflistName, isWhole, renderConflist, updateConflist } from "@fairlead/cni";
import type { Clock, Timer } from "./clock.ts";
import { lookEvery } from "./plugins.ts";

export interface ConflistInstallerOptions {
  readonly view: ClusterView;
  readonly confDir: string;
  readonly binDir: string;
  readonly clock: Clock;
  readonly onError: (error: unknown) => void;
}

/** How long a first configuration waits when no Installation says it, seconds. */
const defaultTimeout = 10;

/**
 * Writes the network configuration where there is none, and carries `linuxPolicySetupTimeoutSeconds` of the Installation into it. One that we
 * wrote follows what is installed, too: at the start, and when `portmap` comes or goes. A runtime takes the file for "the node's
 * network is ready", so the first one is written only when the agent is. Half a file, of which no runtime makes anything, is put aside when it is
 * the same after a while: until then somebody may be writing it.
 */
export function installConflist(options: ConflistInstallerOptions): Disposable {
  const { view, confDir, binDir, clock, onError } = options;
  const path = join(confDir, conflistName);

  /** As of the last look. */
  let half: string | undefined;

  function read(): string | undefined {
    return existsSync(path) ? readFileSync(path, "utf8") : undefined;
  }

  function install(): void {
    const wanted = timeoutOf(view.get(kinds.Installation, { name: "default" }));
    const settings = {
      policySetupTimeoutSeconds: wanted ?? defaultTimeout,
      hasPortmap: existsSync(join(binDir, "portmap")),
    };
    const present = read();
    const { hasPortmap } = settings;
    const changed = wanted === undefined ? { hasPortmap } : settings;
    const text = present === undefined ? renderConflist(settings) : updateConflist(present, changed);
    if (text === undefined) return;
    mkdirSync(confDir, { recursive: true, mode: 0o755 });
    writeFileSync(`${path}.tmp`, text, { mode: 0o644, flush: true });
    renameSync(`${path}.tmp`, path);
  }

  let reported = "";
  const attempt = (first = () => {}) => {
    try {
      first();
      install();
      reported = "";
    } catch (error) {
      const text = String(error);
      if (text !== reported) onError(error);
      reported = text;
    }
  };
  function putAside(): void {
    const text = read();
    const isHalf = text !== undefined && !isWhole(text);
    if (isHalf && text === half) {
      renameSync(path, `${path}.broken`);
      onError(new Error(`${path} was no JSON; it is ${path}.broken now, and a new one is written`));
    }
    half = isHalf ? text : undefined;
  }

  let timer: Timer;
  const again = () => {
    attempt(putAside);
    timer = clock.after(lookEvery, again);
  };
  again();
  const subscription = view.subscribe(kinds.Installation, () => attempt(), { replay: false });
  return {
    [Symbol.dispose]() {
      timer.cancel();
      subscription[Symbol.dispose]();
    },
  };
}

/** An Installation that cannot be read says nothing. */
const timeoutOf = (installation: Installation | undefined): number | undefined =>
  installation && problemsOf(installation).length === 0
    ? installation.spec.calicoNetwork?.linuxPolicySetupTimeoutSeconds
    : undefined;
