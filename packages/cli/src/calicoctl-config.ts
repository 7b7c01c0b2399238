import { parse } from "yaml";
import { UsageError } from "./usage-error.ts";

/** Where the incumbent's command line looks for its configuration. */
export const calicoctlConfigFile = "/etc/calico/calicoctl.cfg";

/**
 * The kubeconfig that the incumbent's configuration file (a CalicoAPIConfig, YAML or JSON) names; undefined when it names none.
 * @throws UsageError for a file that is none, or of a cluster that keeps its data in etcd
 */
export function kubeconfigOf(text: string, file: string): string | undefined {
  const wrong = (message: string) => new UsageError(`${file}: ${message}`);
  let config: unknown;
  try {
    config = parse(text);
  } catch (cause) {
    throw wrong(`is neither YAML nor JSON: ${cause instanceof Error ? cause.message : String(cause)}`);
  }
  if (!isObject(config) || config.kind !== "CalicoAPIConfig") throw wrong("kind is not CalicoAPIConfig");
  const spec = isObject(config.spec) ? config.spec : {};
  const { datastoreType = "kubernetes", kubeconfig } = spec;
  if (datastoreType !== "kubernetes")
    throw wrong(`spec.datastoreType is ${String(datastoreType)}; only kubernetes is supported`);
  if (kubeconfig !== undefined && typeof kubeconfig !== "string")
    throw wrong("spec.kubeconfig is not a text");
  return kubeconfig || undefined;
}

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === "object" && value !== null && !Array.isArray(value);
