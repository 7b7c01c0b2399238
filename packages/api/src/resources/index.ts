import { BGPConfiguration, BGPFilter, BGPPeer } from "./bgp-configuration.ts";
import { BlockAffinity } from "./block-affinity.ts";
import { ClusterInformation } from "./cluster-information.ts";
import { FelixConfiguration } from "./felix-configuration.ts";
import { HostEndpoint } from "./host-endpoint.ts";
import { Installation } from "./installation.ts";
import { IPPool } from "./ip-pool.ts";
import { IPReservation } from "./ip-reservation.ts";
import { IPAMBlock } from "./ipam-block.ts";
import { IPAMConfiguration } from "./ipam-configuration.ts";
import { IPAMHandle } from "./ipam-handle.ts";
import { KubeControllersConfiguration } from "./kube-controllers-configuration.ts";
import { GlobalNetworkPolicy, NetworkPolicy } from "./network-policy.ts";
import { GlobalNetworkSet, NetworkSet } from "./network-set.ts";
import { Profile } from "./profile.ts";
import {
  StagedGlobalNetworkPolicy,
  StagedKubernetesNetworkPolicy,
  StagedNetworkPolicy,
} from "./staged-policy.ts";
import { Tier } from "./tier.ts";

/** Fairlead's own kinds: those with a schema, a generated CRD and defaults. */
export const ownKinds = {
  BGPConfiguration,
  BGPFilter,
  BGPPeer,
  BlockAffinity,
  ClusterInformation,
  FelixConfiguration,
  GlobalNetworkPolicy,
  GlobalNetworkSet,
  HostEndpoint,
  Installation,
  IPAMBlock,
  IPAMConfiguration,
  IPAMHandle,
  IPPool,
  IPReservation,
  KubeControllersConfiguration,
  NetworkPolicy,
  NetworkSet,
  Profile,
  StagedGlobalNetworkPolicy,
  StagedKubernetesNetworkPolicy,
  StagedNetworkPolicy,
  Tier,
} as const;

export type { BGPFilterOperation, BGPFilterRule } from "./bgp-configuration.ts";
export { durationMs, parseDuration } from "./duration.ts";
export { failsafeInbound, failsafeOutbound } from "./felix-configuration.ts";
export type { IPAMBlockAttributes } from "./ipam-block.ts";
export type { EntityRule, Port, Protocol, Rule } from "./rule.ts";
export { protocolNumbers } from "./rule.ts";
export { builtInTiers } from "./tier.ts";
export type {
  BGPConfiguration,
  BGPFilter,
  BGPPeer,
  BlockAffinity,
  ClusterInformation,
  FelixConfiguration,
  GlobalNetworkPolicy,
  GlobalNetworkSet,
  HostEndpoint,
  Installation,
  IPAMBlock,
  IPAMConfiguration,
  IPAMHandle,
  IPPool,
  IPReservation,
  KubeControllersConfiguration,
  NetworkPolicy,
  NetworkSet,
  Profile,
  StagedGlobalNetworkPolicy,
  StagedKubernetesNetworkPolicy,
  StagedNetworkPolicy,
  Tier,
};
