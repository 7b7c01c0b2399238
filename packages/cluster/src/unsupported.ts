import {
  type ApiClient,
  type ClusterView,
  type FelixConfiguration,
  type IPPool,
  kinds,
  problemsOf,
} from "@fairlead/api";
import { type ClusterLog, createWarner } from "./warner.ts";

/** A setting that the cluster asks for and that has no effect here. */
export interface Unsupported {
  readonly kind: "IPPool" | "FelixConfiguration";
  readonly object: IPPool | FelixConfiguration;
  readonly message: string;
}

/** Finds what would otherwise be silently without effect: overlays and WireGuard, with which a VM cannot migrate. */
export function findUnsupported(
  pools: readonly IPPool[],
  felix: readonly FelixConfiguration[],
): readonly Unsupported[] {
  const overlays = pools
    .filter(isSound)
    .filter(({ spec }) => spec.vxlanMode !== "Never" || spec.ipipMode !== "Never")
    .map((object) => ({
      kind: "IPPool" as const,
      object,
      message:
        "encapsulation has no effect: packets travel as they are, and routers must know the pods' routes",
    }));
  const encrypted = felix
    .filter(isSound)
    .filter(({ spec }) => spec.wireguardEnabled)
    .map((object) => ({
      kind: "FelixConfiguration" as const,
      object,
      message: "wireguardEnabled has no effect: traffic between nodes is not encrypted",
    }));
  return [...overlays, ...encrypted];
}

/** What an object that cannot be read asks for nobody knows. */
const isSound = (object: object) => problemsOf(object).length === 0;

/** Tells people what has no effect. */
export interface UnsupportedReporter {
  /** Says what is new; what was said is said again only after it had been mended. */
  report(): Promise<void>;
}

/** Compares with what was said before; nothing is read but the view. */
export function createUnsupportedReporter(options: {
  readonly client: Pick<ApiClient, "create">;
  readonly view: Pick<ClusterView, "list">;
  readonly log: ClusterLog;
  readonly now?: () => Date;
}): UnsupportedReporter {
  const { client, view, log, now } = options;
  const warn = createWarner(client, log, now);
  let said = new Set<string>();
  return {
    async report() {
      const present = new Set<string>();
      const found = findUnsupported(view.list(kinds.IPPool), view.list(kinds.FelixConfiguration));
      for (const { kind, object, message } of found) {
        const key = `${kind} ${object.metadata.name}`;
        if (!said.has(key)) await warn(kind, object, "NotSupported", message);
        present.add(key);
        said.add(key);
      }
      said = present;
    },
  };
}
