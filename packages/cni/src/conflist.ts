import { isDeepStrictEqual } from "node:util";

/** What the cluster and the node decide of the network configuration. */
export interface ConflistSettings {
  /** Seconds ADD waits for policy. */
  readonly policySetupTimeoutSeconds: number;
  /** Whether the `portmap` plug-in is installed; it serves host ports. */
  readonly hasPortmap: boolean;
}

/** File name of the network configuration in `/etc/cni/net.d`. */
export const conflistName = "10-calico.conflist";

type Json = Record<string, unknown>;

const portmap = { type: "portmap", snat: true, capabilities: { portMappings: true } };

/**
 * The configuration for a node that has none; STATUS and GC as of CNI 1.1.0. It names no address family: they follow the pools, so that a pool
 * that comes later needs no change here.
 */
export const renderConflist = (settings: ConflistSettings): string => print(describe(settings));

const describe = ({ policySetupTimeoutSeconds, hasPortmap }: ConflistSettings): Json => ({
  name: "k8s-pod-network",
  cniVersion: "1.1.0",
  plugins: [
    {
      type: "calico",
      ipam: { type: "calico-ipam" },
      policy: { type: "k8s" },
      policy_setup_timeout_seconds: policySetupTimeoutSeconds,
    },
    ...(hasPortmap ? [portmap] : []),
  ],
});

/**
 * An existing configuration as it should be; undefined when it is so already, or when the file is not ours to understand. One that we wrote becomes
 * what we would write now: it loses the families that an earlier release fixed, and has `portmap` exactly where that is installed,
 * since no pod starts with a plug-in that is missing. One that somebody has written or edited gets the cluster's timeout in our
 * plug-in, if there is one, and nothing else.
 */
export function updateConflist(
  text: string,
  wanted: Partial<ConflistSettings> & Pick<ConflistSettings, "hasPortmap">,
): string | undefined {
  const list = parse(text);
  const ours = list && pluginsOf(list).find(({ type }) => type === "calico" || type === "fairlead-cni");
  if (!list || !ours) return undefined;
  const present = ours.policy_setup_timeout_seconds;
  const timeout = wanted.policySetupTimeoutSeconds ?? present;
  if (isUntouched(list, ours) && typeof timeout === "number") {
    const fresh = describe({ policySetupTimeoutSeconds: timeout, hasPortmap: wanted.hasPortmap });
    return isDeepStrictEqual(fresh, list) ? undefined : print(fresh);
  }
  if (timeout === present) return undefined;
  const changed = { ...ours, policy_setup_timeout_seconds: timeout };
  return print({ ...list, plugins: pluginsOf(list).map((plugin) => (plugin === ours ? changed : plugin)) });
}

/** Whether it is JSON to its end, whatever it says. */
export function isWhole(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}

/** The types of the plug-ins of a configuration, in their order; none when it cannot be read. */
export const pluginTypes = (text: string): readonly string[] =>
  pluginsOf(parse(text) ?? {}).flatMap(({ type }) => (typeof type === "string" ? [type] : []));

/** Whether a release of ours wrote it and nobody has changed it since, but for the timeout. */
function isUntouched(list: Json, ours: Json): boolean {
  const settings = { policySetupTimeoutSeconds: ours.policy_setup_timeout_seconds as number };
  const written = [true, false].map((hasPortmap) => describe({ ...settings, hasPortmap }));
  // Until families followed the pools both were fixed.
  const fixed = { type: "calico-ipam", assign_ipv4: "true", assign_ipv6: "true" };
  const before = written.map((one) => ({
    ...one,
    plugins: pluginsOf(one).map((plugin) => (plugin.type === "calico" ? { ...plugin, ipam: fixed } : plugin)),
  }));
  return [...written, ...before].some((one) => isDeepStrictEqual(one, list));
}

function parse(text: string): Json | undefined {
  try {
    const list: unknown = JSON.parse(text);
    return typeof list === "object" && list !== null ? (list as Json) : undefined;
  } catch {
    return undefined;
  }
}

const pluginsOf = ({ plugins }: Json): readonly Json[] =>
  Array.isArray(plugins) ? plugins.filter((plugin) => typeof plugin === "object" && plugin !== null) : [];

const print = (value: Json) => `${JSON.stringify(value, undefined, 2)}\n`;
