import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { type ClusterView, kinds, type Pod } from "@fairlead/api";
import { conflistName, pluginTypes } from "@fairlead/cni";
import type { Clock, Timer } from "./clock.ts";
import type { Remarks } from "./remarks.ts";
import type { Warnings } from "./warnings.ts";

/** Plug-ins of others: every runtime needs the first, and calls the rest for what some pods ask. */
const others = ["loopback", "portmap", "bandwidth"] as const;
export type OtherPlugin = (typeof others)[number];

/** What is there of them on this node. */
export interface PluginState {
  readonly binDir: string;
  readonly conflist: string;
  readonly installed: ReadonlySet<OtherPlugin>;
  /** Plug-ins that the network configuration calls. */
  readonly configured: readonly string[];
}

/** What a pod asks for that Fairlead does not do itself. */
export type PodNeed = "hostPort" | "bandwidth";

const servedBy = { hostPort: "portmap", bandwidth: "bandwidth" } as const satisfies Record<
  PodNeed,
  OtherPlugin
>;

export function needsOf({ spec, metadata }: Pod): readonly PodNeed[] {
  if (spec.hostNetwork) return [];
  const containers = [...(spec.containers ?? []), ...(spec.initContainers ?? [])];
  const hostPort = containers.some(({ ports }) => ports?.some((port) => port.hostPort));
  const annotations = metadata.annotations ?? {};
  const bandwidth = ["ingress", "egress"].some((way) => annotations[`kubernetes.io/${way}-bandwidth`]);
  return [...(hostPort ? (["hostPort"] as const) : []), ...(bandwidth ? (["bandwidth"] as const) : [])];
}

/** Why a need is not served, and what to do; undefined when it is. */
export function lackOf(
  need: PodNeed,
  { installed, configured, binDir, conflist }: PluginState,
): string | undefined {
  const plugin = servedBy[need];
  if (!installed.has(plugin))
    return `${need} has no effect on this node: plug-in ${plugin} is missing in ${binDir}; install it, and make such pods anew`;
  if (!configured.includes(plugin))
    return `${need} has no effect on this node: ${conflist} does not call plug-in ${plugin}; add it there, and make such pods anew`;
  return undefined;
}

/** What an operator should know of the node, whatever pods it has; bandwidth only when one asks for it. */
export function remarksOf(state: PluginState, needs: ReadonlySet<PodNeed>): readonly string[] {
  const loopback = state.installed.has("loopback")
    ? []
    : [
        `no pod can start on this node: plug-in loopback is missing in ${state.binDir}; install the CNI plug-ins`,
      ];
  const lacks = (["hostPort", ...(needs.has("bandwidth") ? ["bandwidth" as const] : [])] as const).map(
    (need) => lackOf(need, state),
  );
  return [...loopback, ...lacks.filter((text) => text !== undefined)];
}

export interface PluginWatchOptions {
  readonly view: ClusterView;
  readonly nodeName: string;
  readonly binDir: string;
  readonly confDir: string;
  readonly clock: Clock;
  readonly remarks: Remarks;
  readonly warnings: Warnings;
}

/** How often the directories are looked at, milliseconds. */
export const lookEvery = 10_000;

const reasons = { hostPort: "HostPortWithoutEffect", bandwidth: "BandwidthWithoutEffect" } as const;

/** Says which plug-ins of others are missing, on the node and on the pods that want them. Makes no node unready. */
export function watchPlugins(options: PluginWatchOptions): Disposable {
  const { view, nodeName, binDir, confDir, clock, remarks, warnings } = options;
  const conflist = join(confDir, conflistName);
  let timer: Timer;
  let state = read();

  function read(): PluginState {
    return {
      binDir,
      conflist,
      installed: new Set(others.filter((plugin) => existsSync(join(binDir, plugin)))),
      configured: typesIn(conflist),
    };
  }

  const isHere = ({ spec, status }: Pod) =>
    spec.nodeName === nodeName && status?.phase !== "Succeeded" && status?.phase !== "Failed";

  function warn(pod: Pod): void {
    const { name = "", namespace = "", uid } = pod.metadata;
    for (const need of needsOf(pod)) {
      const text = lackOf(need, state);
      if (text) warnings.warn({ kind: "Pod", namespace, name, uid }, reasons[need], text);
    }
  }

  function look(): void {
    state = read();
    const pods = view.list(kinds.Pod).filter(isHere);
    remarks.say("plug-ins", remarksOf(state, new Set(pods.flatMap(needsOf))));
    for (const pod of pods) warn(pod);
    timer = clock.after(lookEvery, look);
  }

  look();
  const subscription = view.subscribe(
    kinds.Pod,
    ({ type, object }) => {
      if (type !== "deleted" && isHere(object)) warn(object);
    },
    { replay: false },
  );
  return {
    [Symbol.dispose]() {
      timer.cancel();
      subscription[Symbol.dispose]();
    },
  };
}

function typesIn(path: string): readonly string[] {
  try {
    return pluginTypes(readFileSync(path, "utf8"));
  } catch {
    // None yet, or none that can be read: the installer reports that.
    return [];
  }
}
