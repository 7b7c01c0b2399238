/** A port that stays open whatever policy says, so that a mistake does not lock the operator out. */
export interface FailsafePort {
  readonly protocol: "tcp" | "udp" | "sctp";
  readonly port: number;
  /** Limits the exception to this network; absent means everywhere. */
  readonly net?: string;
}

/** The fields of FelixConfiguration that change what this package programs. Units as in that resource. */
export interface PolicySettings {
  /** Prefixes of workload interface names. */
  readonly interfacePrefixes: readonly string[];
  /** What becomes of packets from a workload to its own node once egress policy let them through. */
  readonly defaultEndpointToHostAction: "Drop" | "Accept" | "Return";
  readonly denyAction: "Drop" | "Reject";
  readonly failsafeInbound: readonly FailsafePort[];
  readonly failsafeOutbound: readonly FailsafePort[];
  /** `Disabled` (strict) checks source address and MAC; `Any` also honours `allowedSourcePrefixes`. */
  readonly workloadSourceSpoofing: "Disabled" | "Any";
  readonly disableConntrackInvalidCheck: boolean;
  readonly natOutgoingExclusions: "IPPoolsOnly" | "IPPoolsAndHostIPs";
  readonly natOutgoingAddress?: string;
  readonly natPortRange?: readonly [first: number, last: number];
  /** The bits of the packet mark this package may use; it needs two. */
  readonly markMask: number;
  readonly logPrefix: string;
  /**
   * How often the kernel's state is compared in full, in milliseconds; 0 never. Only where the kernel cannot keep others from changing
   * our tables (before Linux 6.9).
   */
  readonly refreshInterval: number;
}

const everywhere = (protocol: FailsafePort["protocol"], ports: readonly number[]): FailsafePort[] =>
  ports.map((port) => ({ protocol, port }));

const controlPlane = [179, 2379, 2380, 5473, 6443, 6666, 6667];

/** The defaults of FelixConfiguration. */
export const defaultSettings: PolicySettings = {
  interfacePrefixes: ["cali"],
  defaultEndpointToHostAction: "Drop",
  denyAction: "Drop",
  failsafeInbound: [...everywhere("tcp", [22, ...controlPlane]), ...everywhere("udp", [68])],
  failsafeOutbound: [...everywhere("tcp", controlPlane), ...everywhere("udp", [53, 67])],
  workloadSourceSpoofing: "Disabled",
  disableConntrackInvalidCheck: false,
  natOutgoingExclusions: "IPPoolsOnly",
  markMask: 0xffff0000,
  logPrefix: "calico-packet",
  refreshInterval: 180_000,
};
