import type { NamedPort } from "../endpoint.ts";

/** An interface of this node, or all of them, as something policies apply to. */
export interface HostInterface {
  /** `HostEndpoint/name`. */
  readonly id: string;
  /** `*` stands for every interface that is neither a workload's, nor another host endpoint's, nor the loopback. */
  readonly interfaceName: string;
  /** The profiles' labels included. */
  readonly labels: Readonly<Record<string, string>>;
  readonly profiles: readonly string[];
  readonly addresses: readonly string[];
  readonly ports: readonly NamedPort[];
}

/**
 * Which policies are meant at a place where packets of a host interface pass:
 * - `normal`: what begins or ends on this node.
 * - `forward`: what passes through; only policies with `applyOnForward`.
 * - `untracked`: before connections are tracked; only `doNotTrack`.
 * - `preDNAT`: before destinations are translated; only `preDNAT`.
 */
export type Layer = "normal" | "forward" | "untracked" | "preDNAT";

/** A tier ends with its default action only where nothing else comes afterwards. */
export const endsByDefault = (layer: Layer): boolean => layer === "normal" || layer === "forward";
