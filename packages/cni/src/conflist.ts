/** What the cluster decides of the network configuration. */
export interface ConflistSettings {
  /** Seconds ADD waits for policy. */
  readonly policySetupTimeoutSeconds: number;
  /** Whether the `portmap` plug-in is installed; it serves host ports. */
  readonly hasPortmap: boolean;
}

/** File name of the network configuration in `/etc/cni/net.d`. */
export const conflistName = "10-calico.conflist";

type Json = Record<string, unknown>;

/** The configuration for a node that has none. Both families; STATUS and GC as of CNI 1.1.0. */
export function renderConflist(settings: ConflistSettings): string {
  const portmap = { type: "portmap", snat: true, capabilities: { portMappings: true } };
  return print({
    name: "k8s-pod-network",
    cniVersion: "1.1.0",
    plugins: [
      {
        type: "calico",
        ipam: { type: "calico-ipam", assign_ipv4: "true", assign_ipv6: "true" },
        policy: { type: "k8s" },
        policy_setup_timeout_seconds: settings.policySetupTimeoutSeconds,
      },
      ...(settings.hasPortmap ? [portmap] : []),
    ],
  });
}

/**
 * An existing configuration with the cluster's timeout in our plug-in, and nothing else changed; undefined when it is so already, or when the
 * file is not ours to understand.
 */
export function updateConflist(text: string, policySetupTimeoutSeconds: number): string | undefined {
  let list: Json;
  try {
    list = JSON.parse(text) as Json;
  } catch {
    return undefined;
  }
  const plugins = Array.isArray(list?.plugins) ? (list.plugins as Json[]) : [];
  const ours = plugins.find((plugin) => plugin?.type === "calico" || plugin?.type === "fairlead-cni");
  if (!ours || ours.policy_setup_timeout_seconds === policySetupTimeoutSeconds) return undefined;
  const changed = { ...ours, policy_setup_timeout_seconds: policySetupTimeoutSeconds };
  return print({ ...list, plugins: plugins.map((plugin) => (plugin === ours ? changed : plugin)) });
}

const print = (value: Json) => `${JSON.stringify(value, undefined, 2)}\n`;
