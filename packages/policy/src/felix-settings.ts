import {
  describeProblems,
  durationMs,
  type FelixConfiguration,
  type KubernetesObject,
  kinds,
} from "@fairlead/api";
import { isInterfaceName } from "./endpoint-check.ts";
import { PolicyError } from "./error.ts";
import type { FailsafePort, PolicySettings } from "./settings.ts";

type Spec = FelixConfiguration["spec"];
type RawSpec = Readonly<Record<string, unknown>>;

/** How a field of the resource becomes settings. Fields that are not here do not concern this package. */
const translations: { readonly [Field in keyof Spec]?: (spec: Spec) => Partial<PolicySettings> } = {
  interfacePrefix: ({ interfacePrefix }) => ({ interfacePrefixes: prefixes(interfacePrefix) }),
  defaultEndpointToHostAction: ({ defaultEndpointToHostAction: action }) => ({
    defaultEndpointToHostAction: ({ DROP: "Drop", ACCEPT: "Accept", RETURN: "Return" } as const)[
      action.toUpperCase() as "DROP" | "ACCEPT" | "RETURN"
    ],
  }),
  nftablesFilterDenyAction: ({ nftablesFilterDenyAction }) => ({ denyAction: nftablesFilterDenyAction }),
  failsafeInboundHostPorts: (spec) => ({ failsafeInbound: failsafes(spec.failsafeInboundHostPorts) }),
  failsafeOutboundHostPorts: (spec) => ({ failsafeOutbound: failsafes(spec.failsafeOutboundHostPorts) }),
  workloadSourceSpoofing: ({ workloadSourceSpoofing }) => ({ workloadSourceSpoofing }),
  disableConntrackInvalidCheck: ({ disableConntrackInvalidCheck }) => ({ disableConntrackInvalidCheck }),
  natOutgoingExclusions: ({ natOutgoingExclusions }) => ({ natOutgoingExclusions }),
  natOutgoingAddress: ({ natOutgoingAddress }) => (natOutgoingAddress ? { natOutgoingAddress } : {}),
  natPortRange: ({ natPortRange }) =>
    natPortRange === undefined ? {} : { natPortRange: portRange(natPortRange) },
  nftablesRefreshInterval: ({ nftablesRefreshInterval }) => ({
    refreshInterval: durationMs(nftablesRefreshInterval),
  }),
  nftablesMarkMask: ({ nftablesMarkMask }) => ({ markMask: marks(nftablesMarkMask) }),
};

/**
 * The settings in force: what the engine was made with, changed by FelixConfiguration `default`, changed by `node.<name>`. Only fields
 * that an object names change anything.
 */
export class FelixSettings {
  readonly #nodeObject: string;
  readonly #base: PolicySettings;
  readonly #specs = new Map<string, RawSpec>();
  #current: PolicySettings;

  constructor(nodeName: string, base: PolicySettings) {
    this.#nodeObject = `node.${nodeName}`;
    this.#base = base;
    this.#current = base;
  }

  get current(): PolicySettings {
    return this.#current;
  }

  /** Takes the object as it was written, without defaults. @throws PolicyError `InvalidObject`; then nothing changes */
  upsert(name: string, spec: unknown): void {
    if (name !== "default" && name !== this.#nodeObject) return;
    const specs = new Map(this.#specs).set(name, (spec ?? {}) as RawSpec);
    this.#current = this.#merge(specs);
    this.#specs.set(name, specs.get(name) as RawSpec);
  }

  remove(name: string): void {
    if (this.#specs.delete(name)) this.#current = this.#merge(this.#specs);
  }

  #merge(specs: ReadonlyMap<string, RawSpec>): PolicySettings {
    const written = { ...specs.get("default"), ...specs.get(this.#nodeObject) };
    const spec = checked(written);
    let settings = this.#base;
    for (const [field, translate] of Object.entries(translations)) {
      if (written[field] !== undefined) settings = { ...settings, ...translate(spec) };
    }
    // A workload whose interface has the old prefix must not become an interface nobody filters.
    const prefixes = new Set([...settings.interfacePrefixes, ...this.#current.interfacePrefixes]);
    return { ...settings, interfacePrefixes: [...prefixes] };
  }
}

function checked(spec: RawSpec): Spec {
  const { apiVersion, kind, schema } = kinds.FelixConfiguration;
  const result = schema.check({ apiVersion, kind, metadata: { name: "default" }, spec });
  if (result.ok) return (result.object as KubernetesObject as FelixConfiguration).spec;
  throw new PolicyError("InvalidObject", describeProblems(result.problems));
}

function prefixes(written: string): string[] {
  const parts = written.split(",").map((part) => part.trim());
  const bad = parts.find((part) => part !== "" && !isInterfaceName(part));
  if (bad === undefined) return parts.filter(Boolean);
  throw new PolicyError(
    "InvalidObject",
    `interfacePrefix has the part ${JSON.stringify(bad)}; write the beginnings of interface names, as in cali,tap.`,
  );
}

function failsafes(ports: Spec["failsafeInboundHostPorts"]): FailsafePort[] {
  const names = { TCP: "tcp", UDP: "udp", SCTP: "sctp" } as const;
  return ports.map(({ protocol, port, net }) => ({
    protocol: names[protocol],
    port,
    ...(net === undefined ? {} : { net }),
  }));
}

function portRange(written: string | number): readonly [number, number] {
  const [first = 0, last = first] = String(written).split(":").map(Number);
  const whole = [first, last].every((port) => Number.isInteger(port) && port > 0 && port <= 65_535);
  if (whole && first <= last) return [first, last];
  throw new PolicyError("InvalidObject", `natPortRange is ${written}; write it as 32768:65535.`);
}

function marks(mask: number): number {
  if ((mask & (mask - 1)) !== 0) return mask;
  throw new PolicyError("InvalidObject", "nftablesMarkMask has one bit; two are needed.");
}
