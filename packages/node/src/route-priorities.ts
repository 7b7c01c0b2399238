import {
  type ApiClient,
  describeProblems,
  type FelixConfiguration,
  getIfPresent,
  kinds,
  problemsOf,
} from "@fairlead/api";
import { createStateFiles, type StateFiles } from "@fairlead/cni";
import { defaultPriorities, type Priorities } from "@fairlead/routes";

/** Metrics of workload routes, by family. */
export interface RoutePriorities {
  readonly ipv4: Priorities;
  readonly ipv6: Priorities;
}

export const defaultRoutePriorities: RoutePriorities = { ipv4: defaultPriorities, ipv6: defaultPriorities };

/** @throws {Error} when the object cannot be acted on; a sound one has an elevated priority better than the normal one */
function prioritiesOf(felix: FelixConfiguration | undefined): RoutePriorities {
  if (!felix) return defaultRoutePriorities;
  const problems = problemsOf(felix);
  if (problems.length > 0) throw new Error(`FelixConfiguration default: ${describeProblems(problems)}`);
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
 * The metrics to start with: the cluster's, or when the API server does not answer in time, or with nonsense, those of the last start, which
 * `file` remembers: a restart must find its own routes again.
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
    return ipv4 && ipv6 && [ipv4, ipv6].every(isUsable) ? { ipv4, ipv6 } : defaultRoutePriorities;
  } catch {
    return defaultRoutePriorities;
  }
}

const isUsable = ({ normal, elevated }: Priorities) =>
  Number.isInteger(normal) && Number.isInteger(elevated) && elevated >= 1 && elevated < normal;
