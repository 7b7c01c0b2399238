import { existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { type ClusterView, kinds } from "@fairlead/api";
import { conflistName, renderConflist, updateConflist } from "@fairlead/cni";
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
 * network is ready", so the first one is written only when the agent is.
 */
export function installConflist(options: ConflistInstallerOptions): Disposable {
  const { view, confDir, binDir, clock, onError } = options;
  const path = join(confDir, conflistName);

  function install(): void {
    const installation = view.get(kinds.Installation, { name: "default" });
    const wanted = installation?.spec.calicoNetwork?.linuxPolicySetupTimeoutSeconds;
    const settings = {
      policySetupTimeoutSeconds: wanted ?? defaultTimeout,
      hasPortmap: existsSync(join(binDir, "portmap")),
    };
    const present = existsSync(path) ? readFileSync(path, "utf8") : undefined;
    const { hasPortmap } = settings;
    const changed = wanted === undefined ? { hasPortmap } : settings;
    const text = present === undefined ? renderConflist(settings) : updateConflist(present, changed);
    if (text === undefined) return;
    mkdirSync(confDir, { recursive: true, mode: 0o755 });
    writeFileSync(`${path}.tmp`, text, { mode: 0o644, flush: true });
    renameSync(`${path}.tmp`, path);
  }

  let reported = "";
  const attempt = () => {
    try {
      install();
      reported = "";
    } catch (error) {
      const text = String(error);
      if (text !== reported) onError(error);
      reported = text;
    }
  };
  let timer: Timer;
  const again = () => {
    attempt();
    timer = clock.after(lookEvery, again);
  };
  again();
  const subscription = view.subscribe(kinds.Installation, attempt, { replay: false });
  return {
    [Symbol.dispose]() {
      timer.cancel();
      subscription[Symbol.dispose]();
    },
  };
}
