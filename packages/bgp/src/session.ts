import { parseAddress } from "./prefix.ts";
import { Problems } from "./problems.ts";
import type {
  BgpPeer,
  Family,
  SecretKeyRef,
  SelectorMatch,
  Speaker,
  SpeakerNode,
  SpeakerProblem,
} from "./speaker.ts";

/** One BGP session of the node: one neighbour, one family. */
export interface Session {
  /** Where it comes from: `mesh.<node>`, `peer.<BGPPeer>` or `peer.<BGPPeer>.<node>`. */
  readonly name: string;
  readonly family: Family;
  /** Absent: the kernel chooses. */
  readonly localAddress?: string;
  readonly localPort: number;
  readonly localAs: number;
  readonly address: string;
  readonly port?: number;
  readonly peerAs: number;
  /** Present: the neighbour is a client of this route reflector. */
  readonly clusterId?: string;
  readonly password?: string;
  readonly nextHop: "Auto" | "Self" | "Keep";
  readonly hops?: number;
  /** Wait for the neighbour to connect. */
  readonly passive: boolean;
  readonly restartSeconds?: number;
  readonly keepaliveSeconds?: number;
  readonly allowLocalAs?: number;
  readonly gateway?: string;
  /** Names of the BGPFilters attached, in order. */
  readonly filters: readonly string[];
}

const families: readonly Family[] = [4, 6];
export const defaultAsNumber = 64512;

/** The sessions this node should have: the mesh, and what `BGPPeer`s ask of it. Pure. */
export function sessionsOf(
  speaker: Speaker,
  selects: SelectorMatch,
): { readonly sessions: readonly Session[]; readonly problems: readonly SpeakerProblem[] } {
  const problems = new Problems();
  const sessions = [
    ...meshSessions(speaker, problems),
    ...speaker.peers.flatMap((peer) => peerSessions(speaker, peer, selects, problems)),
  ];
  return { sessions: withoutRepetition(sessions), problems: problems.found };
}

/** BIRD refuses two sessions with one neighbour address: an explicit peer wins over the mesh, then the first one. */
function withoutRepetition(sessions: readonly Session[]): Session[] {
  const byNeighbour = new Map<string, Session>();
  for (const session of sessions) {
    const key = `${session.address} ${session.port ?? 179}`;
    const present = byNeighbour.get(key);
    if (present === undefined || (present.name.startsWith("mesh.") && !session.name.startsWith("mesh.")))
      byNeighbour.set(key, session);
  }
  return [...byNeighbour.values()];
}

const addressOf = (node: SpeakerNode, family: Family) => (family === 4 ? node.ipv4 : node.ipv6);

function asNumberOf(speaker: Speaker, node: SpeakerNode): number {
  return node.asNumber ?? speaker.configuration?.asNumber ?? defaultAsNumber;
}

function common(speaker: Speaker, family: Family) {
  const local = addressOf(speaker.node, family);
  return {
    family,
    ...(local !== undefined && { localAddress: local }),
    localPort: speaker.configuration?.listenPort ?? 179,
    localAs: asNumberOf(speaker, speaker.node),
  };
}

function meshSessions(speaker: Speaker, problems: Problems): Session[] {
  const { node, configuration = {} } = speaker;
  if (configuration.nodeToNodeMeshEnabled === false || node.routeReflectorClusterId !== undefined) return [];
  const secret = secretOf(
    speaker,
    configuration.nodeMeshPassword?.secretKeyRef,
    "BGPConfiguration/default",
    "nodeMeshPassword",
    problems,
  );
  if (secret === null) return [];
  const restart = secondsOf(
    configuration.nodeMeshMaxRestartTime,
    "BGPConfiguration/default",
    "nodeMeshMaxRestartTime",
    problems,
  );
  const others = speaker.nodes.filter(
    (other) => other.name !== node.name && other.routeReflectorClusterId === undefined,
  );
  return others.flatMap((other) =>
    families.flatMap((family): Session[] => {
      const own = addressOf(node, family);
      const address = addressOf(other, family);
      if (own === undefined || address === undefined) return [];
      return [
        {
          ...common(speaker, family),
          name: `mesh.${other.name}`,
          address,
          port: configuration.listenPort ?? 179,
          peerAs: asNumberOf(speaker, other),
          nextHop: "Auto",
          // One of the two connects, so that no connection is thrown away in a collision.
          passive: own < address,
          filters: [],
          ...(secret !== undefined && { password: secret }),
          ...(restart !== undefined && { restartSeconds: restart }),
        },
      ];
    }),
  );
}

interface Neighbour {
  readonly name: string;
  readonly address: string;
  readonly family: Family;
  readonly port?: number;
  readonly peerAs: number;
  readonly clusterId?: string;
}

function peerSessions(
  speaker: Speaker,
  peer: BgpPeer,
  selects: SelectorMatch,
  problems: Problems,
): Session[] {
  const { spec } = peer;
  const object = `BGPPeer/${peer.name}`;
  const { node } = speaker;
  if (spec.node !== undefined && spec.node !== node.name) return [];
  if (spec.nodeSelector !== undefined && !selects(spec.nodeSelector, node.labels ?? {})) return [];
  if (spec.localWorkloadSelector !== undefined) {
    problems.add(object, "spec.localWorkloadSelector", "peering with workloads is not supported");
    return [];
  }
  const password = secretOf(speaker, spec.password?.secretKeyRef, object, "spec.password", problems);
  // Without its password a session would be open to anyone: leave it out.
  if (password === null) return [];
  const restart = secondsOf(spec.maxRestartTime, object, "spec.maxRestartTime", problems);
  const keepalive = secondsOf(spec.keepaliveTime, object, "spec.keepaliveTime", problems);
  const gateway = spec.reachableBy === undefined ? undefined : parseAddress(spec.reachableBy);
  if (spec.reachableBy !== undefined && gateway === undefined)
    problems.add(object, "spec.reachableBy", "is not an address");

  return neighboursOf(speaker, peer, selects, problems).map(({ clusterId, port, ...neighbour }) => {
    const { localAddress, ...rest } = common(speaker, neighbour.family);
    return {
      ...rest,
      ...neighbour,
      ...(spec.sourceAddress !== "None" && localAddress !== undefined && { localAddress }),
      ...(port !== undefined && { port }),
      ...(clusterId !== undefined && { clusterId }),
      ...(spec.localASNumber !== undefined && { localAs: spec.localASNumber }),
      ...(password !== undefined && { password }),
      ...(restart !== undefined && { restartSeconds: restart }),
      ...(keepalive !== undefined && { keepaliveSeconds: keepalive }),
      ...(spec.numAllowedLocalASNumbers !== undefined && { allowLocalAs: spec.numAllowedLocalASNumbers }),
      ...(spec.ttlSecurity !== undefined && { hops: spec.ttlSecurity }),
      ...(gateway?.family === neighbour.family && { gateway: gateway.text }),
      nextHop: spec.nextHopMode ?? (spec.keepOriginalNextHop ? "Keep" : "Auto"),
      passive: false,
      filters: spec.filters ?? [],
    };
  });
}

function neighboursOf(
  speaker: Speaker,
  peer: BgpPeer,
  selects: SelectorMatch,
  problems: Problems,
): Neighbour[] {
  const { spec, name } = peer;
  const object = `BGPPeer/${name}`;
  if (spec.peerSelector !== undefined) {
    return speaker.nodes
      .filter((other) => other.name !== speaker.node.name && selects(spec.peerSelector!, other.labels ?? {}))
      .flatMap((other) => nodeNeighbours(speaker, other, name));
  }
  const endpoint = parseEndpoint(spec.peerIP ?? "");
  if (endpoint === undefined) {
    problems.add(object, "spec.peerIP", "is not an address, or an address and a port");
    return [];
  }
  const known = speaker.nodes.find((other) => addressOf(other, endpoint.family) === endpoint.address);
  if (known !== undefined && known.name === speaker.node.name) return [];
  if (known !== undefined)
    return nodeNeighbours(speaker, known, name)
      .filter((n) => n.family === endpoint.family)
      .map((n) => ({ ...n, ...endpoint }));
  const peerAs = problems.need(spec.asNumber, object, "spec.asNumber", "is required beside peerIP");
  return peerAs === undefined ? [] : [{ ...endpoint, name: `peer.${name}`, peerAs }];
}

function nodeNeighbours(speaker: Speaker, other: SpeakerNode, peerName: string): Neighbour[] {
  const clusterId = speaker.node.routeReflectorClusterId;
  // Two reflectors of one cluster are equals; everybody else is a client.
  const isClient = clusterId !== undefined && other.routeReflectorClusterId !== clusterId;
  return families.flatMap((family): Neighbour[] => {
    const address = addressOf(other, family);
    if (address === undefined || addressOf(speaker.node, family) === undefined) return [];
    return [
      {
        name: `peer.${peerName}.${other.name}`,
        address,
        family,
        port: speaker.configuration?.listenPort ?? 179,
        peerAs: asNumberOf(speaker, other),
        ...(isClient && { clusterId }),
      },
    ];
  });
}

function parseEndpoint(text: string): { address: string; family: Family; port?: number } | undefined {
  const match = /^(?:\[(?<six>[^\]]+)\]|(?<four>[\d.]+)):(?<port>\d{1,5})$/.exec(text);
  const address = parseAddress(match?.groups?.six ?? match?.groups?.four ?? text);
  if (address === undefined) return undefined;
  const port = match?.groups?.port;
  if (port !== undefined && (Number(port) < 1 || Number(port) > 65535)) return undefined;
  return {
    address: address.text,
    family: address.family,
    ...(port !== undefined && { port: Number(port) }),
  };
}

/** The password referred to; undefined when none is asked for, null when it cannot be found. */
function secretOf(
  speaker: Speaker,
  ref: SecretKeyRef | undefined,
  object: string,
  field: string,
  problems: Problems,
): string | undefined | null {
  if (ref === undefined) return undefined;
  const secret = speaker.passwords?.[`${ref.name}/${ref.key}`];
  if (secret !== undefined) return secret;
  problems.add(object, field, `secret ${ref.name} has no key ${ref.key}; its sessions are left out`);
  return null;
}

/** Seconds of a Go duration (`90s`, `1m30s`, `2h`), rounded up. */
function secondsOf(
  duration: string | undefined,
  object: string,
  field: string,
  problems: Problems,
): number | undefined {
  if (duration === undefined) return undefined;
  const unit: Readonly<Record<string, number>> = { h: 3600, m: 60, s: 1, ms: 0.001 };
  if (!/^(\d+(\.\d+)?(h|ms|m|s))+$/.test(duration))
    return problems.add(object, field, "is not a duration like 90s");
  let seconds = 0;
  for (const [, amount, name] of duration.matchAll(/(\d+(?:\.\d+)?)(h|ms|m|s)/g))
    seconds += Number(amount) * unit[name!]!;
  return Math.ceil(seconds);
}
