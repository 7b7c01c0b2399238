import { existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { type ClusterView, kinds } from "@fairlead/api";
import { conflistName, renderConflist, updateConflist } from "@fairlead/cni";

export interface ConflistInstallerOptions {
  readonly view: ClusterView;
  readonly confDir: string;
  readonly binDir: string;
  readonly onError: (error: unknown) => void;
}

/** How long a first configuration waits when no Installation says it, seconds. */
const defaultTimeout = 10;

/**
 * Writes the network configuration where there is none, and carries `linuxPolicySetupTimeoutSeconds` of the Installation into it. A runtime takes
 * the file for "the node's network is ready", so the first one is written only when the agent is.
 */
export function installConflist({ view, confDir, binDir, onError }: ConflistInstallerOptions): Disposable {
  const path = join(confDir, conflistName);

  function install(): void {
    const installation = view.get(kinds.Installation, { name: "default" });
    const wanted = installation?.spec.calicoNetwork?.linuxPolicySetupTimeoutSeconds;
    const settings = {
      policySetupTimeoutSeconds: wanted ?? defaultTimeout,
      hasPortmap: existsSync(join(binDir, "portmap")),
    };
    const present = existsSync(path) ? readFileSync(path, "utf8") : undefined;
    const text =
      present === undefined
        ? renderConflist(settings)
        : wanted === undefined
          ? undefined
          : updateConflist(present, wanted);
    if (text === undefined) return;
    mkdirSync(confDir, { recursive: true, mode: 0o755 });
    writeFileSync(`${path}.tmp`, text, { mode: 0o644, flush: true });
    renameSync(`${path}.tmp`, path);
  }

  const attempt = () => {
    try {
      install();
    } catch (error) {
      onError(error);
    }
  };
  attempt();
  return view.subscribe(kinds.Installation, attempt, { replay: false });
}
