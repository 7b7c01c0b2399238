import { isIP, isIPv4 } from "node:net";
import { type ClusterView, kinds, type Node, nodeAnnotations } from "@fairlead/api";
import type { ElevatedBand, Speaker, SpeakerNode } from "@fairlead/bgp";
import { deepestRank, metricOf, type Priorities } from "@fairlead/routes";
import { defaultRoutePriorities, type RoutePriorities } from "./route-priorities.ts";

/** A node as its BGP neighbours see it: the addresses of the annotations, else its internal ones. */
export function speakerNode(node: Node): SpeakerNode {
  const annotations = node.metadata.annotations ?? {};
  const internal = (node.status?.addresses ?? [])
    .filter(({ type }) => type === "InternalIP")
    .map(({ address }) => address);
  const annotated = (name: string) => annotations[name]?.split("/")[0];
  const ipv4 = annotated(nodeAnnotations.bgpIPv4) ?? internal.find((address) => isIPv4(address));
  const ipv6 = annotated(nodeAnnotations.bgpIPv6) ?? internal.find((address) => isIP(address) === 6);
  const asNumber = Number(annotations[nodeAnnotations.asNumber]);
  const cluster = annotations[nodeAnnotations.routeReflectorClusterID];
  return {
    name: node.metadata.name ?? "",
    ...(ipv4 && { ipv4 }),
    ...(ipv6 && { ipv6 }),
    ...(Number.isInteger(asNumber) && asNumber > 0 && { asNumber }),
    ...(cluster && { routeReflectorClusterId: cluster }),
    labels: node.metadata.labels ?? {},
  };
}

/**
 * Everything in the cluster that decides what this node's BIRD says. Undefined while the node's own object, or every address of it, is not known: a
 * router id made up until then would change with the first address, and each session would stand twice. Undefined, too, in a cluster
 * without any pool: it has not been told anything yet, or has lost it, and what runs here must not lose its routes by that.
 *
 * `priorities`: the metrics with which the agent makes its routes, which are those of its start.
 */
export function readSpeaker(
  view: Pick<ClusterView, "get" | "list">,
  nodeName: string,
  priorities: RoutePriorities = defaultRoutePriorities,
): Speaker | undefined {
  const own = view.get(kinds.Node, { name: nodeName });
  if (!own) return undefined;
  const node = speakerNode(own);
  if (!node.ipv4 && !node.ipv6) return undefined;
  // A disabled pool gives out no more addresses; those it gave are in use.
  const pools = view.list(kinds.IPPool).filter(({ spec }) => typeof spec?.cidr === "string");
  if (pools.length === 0) return undefined;
  const named = (name: string) => view.get(kinds.BGPConfiguration, { name })?.spec;
  const configuration = { ...named("default"), ...named(`node.${nodeName}`) };
  return {
    node,
    nodes: view.list(kinds.Node).map(speakerNode).sort(byName),
    configuration,
    elevated: { 4: bandOf(priorities.ipv4), 6: bandOf(priorities.ipv6) },
    peers: view.list(kinds.BGPPeer).map(nameAndSpec).sort(byName),
    filters: view.list(kinds.BGPFilter).map(nameAndSpec).sort(byName),
    pools: pools
      .map(({ spec }) => ({ cidr: spec.cidr, disableBGPExport: spec.disableBGPExport }))
      .sort((a, b) => (a.cidr < b.cidr ? -1 : 1)),
    blocks: view
      .list(kinds.BlockAffinity)
      .filter(({ spec }) => spec?.node === nodeName && spec.state === "confirmed" && spec.deleted !== true)
      .map(({ spec }) => spec.cidr)
      .sort(),
  };
}

const bandOf = (priorities: Priorities): ElevatedBand => ({
  first: priorities.elevated,
  last: metricOf(priorities, "elevated", deepestRank(priorities)),
});

const byName = (a: { readonly name: string }, b: { readonly name: string }) => (a.name < b.name ? -1 : 1);

const nameAndSpec = <T>({ metadata, spec }: { metadata: { name?: string | undefined }; spec: T }) => ({
  name: metadata.name ?? "",
  spec,
});
