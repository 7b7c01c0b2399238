/** What a packet is to policy: the fields a rule can look at. Addresses are text, ports host byte order. */
export interface Packet {
  /** `in`: towards the endpoint. `out`: from the endpoint. */
  readonly direction: "in" | "out";
  readonly source: string;
  readonly destination: string;
  /** IP protocol number or name. */
  readonly protocol: Protocol | number;
  readonly sourcePort?: number;
  readonly destinationPort?: number;
  readonly icmp?: { readonly type: number; readonly code: number };
  /**
   * `forwarded` (the default) goes to or comes from another machine or workload; `host` ends or starts on this node.
   */
  readonly path?: "forwarded" | "host";
}

/** The protocols that rules can name and packets can have here. */
export type Protocol = "tcp" | "udp" | "sctp" | "icmp" | "icmpv6" | "udplite";

/** One step of the way to a verdict. */
export type Step =
  | { readonly at: "endpoint"; readonly note: string }
  | {
      readonly at: "rule";
      readonly tier: string;
      readonly policy: string;
      readonly rule: number;
      readonly action: Action;
    }
  | { readonly at: "tier"; readonly tier: string; readonly action: "Deny" | "Pass" }
  | { readonly at: "profile"; readonly profile: string; readonly action: Action }
  | { readonly at: "default"; readonly action: "Allow" | "Deny"; readonly note: string };

/** What a rule says of a packet it matches. */
export type Action = "Allow" | "Deny" | "Pass" | "Log";

/** The outcome for one packet and how it came about, the deciding step last. */
export interface Explanation {
  readonly verdict: "allow" | "deny";
  readonly path: readonly Step[];
  /** For a workload that staged policies select: the outcome if they were in force, replacing or deleting their namesakes. */
  readonly staged?: Omit<Explanation, "staged">;
}
