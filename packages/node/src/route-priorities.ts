import { type ApiClient, type FelixConfiguration, getIfPresent, kinds } from "@fairlead/api";
import { createStateFiles, type StateFiles } from "@fairlead/cni";
import { defaultPriorities, type Priorities } from "@fairlead/routes";

/** Metrics of workload routes, by family. */
export interface RoutePriorities {
  readonly ipv4: Priorities;
  readonly ipv6: Priorities;
}

const defaults: RoutePriorities = { ipv4: defaultPriorities, ipv6: defaultPriorities };

/** What a FelixConfiguration says; its own schema makes sure that elevated is better than normal. */
export function prioritiesOf(felix: FelixConfiguration | undefined): RoutePriorities {
  if (!felix) return defaults;
  const { spec } = felix;
  return {
    ipv4: { normal: spec.ipv4NormalRoutePriority, elevated: spec.ipv4ElevatedRoutePriority },
    ipv6: { normal: spec.ipv6NormalRoutePriority, elevated: spec.ipv6ElevatedRoutePriority },
  };
}

export interface PriorityOptions {
  /** How long the API server may take, milliseconds. Default 2 s. */
  readonly patience?: number;
  readonly files?: StateFiles;
}

/**
 * The metrics to start with: the cluster's, or when the API server does not answer in time those of the last start, which `file` remembers: a
 * restart must find its own routes again.
 */
export async function readRoutePriorities(
  client: Pick<ApiClient, "get">,
  file: string,
  onError: (error: unknown) => void,
  {
    patience = 2_000,
    files = createStateFiles({ report: (_, error) => onError(error) }),
  }: PriorityOptions = {},
): Promise<RoutePriorities> {
  try {
    const signal = AbortSignal.timeout(patience);
    const felix = await getIfPresent(client, kinds.FelixConfiguration, { name: "default" }, { signal });
    const priorities = prioritiesOf(felix);
    files.write(file, JSON.stringify(priorities));
    return priorities;
  } catch (error) {
    onError(
      new Error("the cluster does not tell the priorities of routes; those of the last start are used", {
        cause: error,
      }),
    );
    return remembered(files.read(file));
  }
}

/** Without a file this is the first start ever. */
function remembered(text: string | undefined): RoutePriorities {
  try {
    const { ipv4, ipv6 } = JSON.parse(text ?? "{}") as Partial<RoutePriorities>;
    const isComplete = [ipv4, ipv6].every(
      (one) => Number.isInteger(one?.normal) && Number.isInteger(one?.elevated),
    );
    return isComplete && ipv4 && ipv6 ? { ipv4, ipv6 } : defaults;
  } catch {
    return defaults;
  }
}
