/** What a probe saw, as plain data: written to a file by the probe, read by the report. Times as in `now()`. */

/** What a probe is asked to do. */
export interface ProbePlan {
  /** For example `client-udp-ipv4`; unique within a run. */
  readonly name: string;
  /** Where it runs: the external client or a pod on another node. */
  readonly vantage: "client" | "pod";
  readonly family: 4 | 6;
  /**
   * `udp-echo`: a datagram per interval to the guest's echo port.
   * `tcp-from-guest`: one connection on which the guest pushes numbered lines.
   * `tcp-to-guest`: one connection on which we push numbered lines and the guest echoes them.
   */
  readonly kind: "udp-echo" | "tcp-from-guest" | "tcp-to-guest";
  readonly address: string;
  readonly port: number;
  /** Milliseconds between two datagrams or lines; for `tcp-from-guest` the guest decides. */
  readonly intervalMs: number;
}

/** One answer: which sequence number, and when it arrived. */
export type Arrival = readonly [sequence: number, at: number];

/** What happened to the connection, other than data. */
export interface ConnectionEvent {
  readonly at: number;
  readonly event: "connected" | "reset" | "closed" | "failed";
  readonly detail?: string;
}

/** Everything one probe saw. */
export interface Recording {
  readonly plan: ProbePlan;
  /** When each sequence number was sent, by index (`udp-echo`, `tcp-to-guest`); empty when the guest sends. */
  readonly sent: readonly number[];
  /** In order of arrival; a sequence number that stands twice was duplicated. */
  readonly arrivals: readonly Arrival[];
  readonly connection: readonly ConnectionEvent[];
  /** Payload bytes received. */
  readonly bytes: number;
}

/** A probe under way. */
export interface RunningProbe {
  /** What was seen so far. */
  recording(): Recording;
  stop(): void;
}
