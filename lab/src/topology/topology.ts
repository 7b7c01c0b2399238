import { readFileSync } from "node:fs";
import { basename, dirname, join, normalize, resolve } from "node:path";
import ipaddr from "ipaddr.js";
import { parse } from "yaml";
import { z } from "zod";
import { LabError, messageOf } from "../error.ts";
import { splitWords } from "./words.ts";

/** Label of a topology node that says what it is for: `worker`, `router` or `client`. */
export const roleLabel = "fairlead.io/role";
export type Role = "worker" | "router" | "client";

/** A file or directory of the host that a machine sees as its own, as containerlab's `binds` says it. */
export interface Bind {
  /** Absolute path on the host. */
  readonly source: string;
  /** Absolute path on the machine. */
  readonly target: string;
  readonly isReadOnly: boolean;
}

/** A machine of the lab. */
export interface TopologyNode {
  readonly name: string;
  /** `frr` is what the file calls kind `linux` with an image of FRR. */
  readonly kind: "linux" | "bird" | "frr";
  readonly role: Role;
  /** Addresses on the management network, without prefix length. */
  readonly management: { readonly ipv4: string; readonly ipv6: string };
  /** BIRD's configuration, for kind `bird`: an absolute path. */
  readonly startupConfig?: string;
  readonly binds: readonly Bind[];
  readonly env: Readonly<Record<string, string>>;
  readonly labels: Readonly<Record<string, string>>;
  /** Commands run in the node after its links are there. */
  readonly exec: readonly (readonly string[])[];
}

export interface LinkEnd {
  readonly node: string;
  readonly interface: string;
}

export interface Topology {
  readonly name: string;
  readonly nodes: readonly TopologyNode[];
  readonly links: readonly { readonly ends: readonly [LinkEnd, LinkEnd]; readonly mtu?: number }[];
  readonly management: {
    readonly bridge: string;
    readonly ipv4: { readonly gateway: string; readonly length: number };
    readonly ipv6: { readonly gateway: string; readonly length: number };
  };
}

const name = z.string().regex(/^[a-z0-9]([a-z0-9-]{0,30}[a-z0-9])?$/, "must be a short DNS label");
const strings = z.record(z.string(), z.coerce.string());

const settings = z.object({
  kind: z.enum(["linux", "bird"]).optional(),
  image: z.string().optional(),
  "mgmt-ipv4": z.ipv4().optional(),
  "mgmt-ipv6": z.ipv6().optional(),
  "startup-config": z.string().optional(),
  binds: z.array(z.string()).optional(),
  env: strings.optional(),
  labels: strings.optional(),
  exec: z.array(z.string()).optional(),
});
type Settings = z.infer<typeof settings>;

/** The part of containerlab's topology format the lab understands. Unknown keys are refused, not ignored. */
const file = z.strictObject({
  name,
  mgmt: z
    .strictObject({
      network: z.string().optional(),
      bridge: z
        .string()
        .regex(/^[a-z][a-z0-9-]{0,14}$/)
        .optional(),
      "ipv4-subnet": z.cidrv4().optional(),
      "ipv6-subnet": z.cidrv6().optional(),
      mtu: z.int().optional(),
    })
    .optional(),
  topology: z.strictObject({
    defaults: settings.strict().optional(),
    kinds: z.record(z.string(), settings.strict()).optional(),
    nodes: z.record(name, settings.strict().nullable()),
    links: z
      .array(
        z.strictObject({
          endpoints: z.tuple([z.string(), z.string()]),
          mtu: z.int().min(1280).max(65535).optional(),
        }),
      )
      .default([]),
  }),
});

/** Reads a topology file in containerlab's format. @throws LabError `BadTopology` */
export function readTopology(path: string): Topology {
  let text: string;
  try {
    text = readFileSync(path, "utf8");
  } catch (cause) {
    throw new LabError("BadTopology", `cannot read topology ${path}: ${messageOf(cause)}`, cause);
  }
  return parseTopology(text, resolve(path));
}

/** @param path where the text comes from: file names in it are relative to that file */
export function parseTopology(text: string, path: string): Topology {
  const refuse = (what: string, cause?: unknown): never => {
    throw new LabError("BadTopology", `${basename(path)}: ${what}`, cause);
  };
  let document: unknown;
  try {
    document = parse(text);
  } catch (cause) {
    return refuse(messageOf(cause), cause);
  }
  const read = file.safeParse(document);
  if (!read.success)
    return refuse(read.error.issues.map((i) => `${i.path.join(".") || "file"}: ${i.message}`).join("; "));
  const { topology, mgmt = {} } = read.data;
  const ipv4 = ipaddr.IPv4.parseCIDR(mgmt["ipv4-subnet"] ?? "172.20.20.0/24");
  const ipv6 = ipaddr.IPv6.parseCIDR(mgmt["ipv6-subnet"] ?? "fd00:172:20:20::/64");

  const nodes = Object.entries(topology.nodes).map(([nodeName, own], index): TopologyNode => {
    const written = own?.kind ?? topology.defaults?.kind ?? "linux";
    const layers = [topology.defaults, topology.kinds?.[written], own ?? undefined].filter(
      (l) => l !== undefined,
    );
    const pick = <K extends keyof Settings>(key: K) => layers.findLast((l) => l[key] !== undefined)?.[key];
    const kind = written === "linux" && isFrrImage(pick("image") ?? "") ? "frr" : written;
    const labels = Object.assign({}, ...layers.map((l) => l.labels ?? {})) as Record<string, string>;
    const role = labels[roleLabel] ?? (kind === "linux" ? "client" : "router");
    if (role !== "worker" && role !== "router" && role !== "client")
      return refuse(`topology.nodes.${nodeName}.labels: ${roleLabel} must be worker, router or client`);
    const startup = pick("startup-config");
    if (kind === "bird" && startup === undefined)
      return refuse(`topology.nodes.${nodeName}: kind bird needs a startup-config`);
    const binds = layers
      .flatMap((l) => l.binds ?? [])
      .map((text) => {
        const bind = parseBind(text, dirname(path));
        return (
          bind ?? refuse(`topology.nodes.${nodeName}.binds: ${JSON.stringify(text)} is not source:target`)
        );
      });
    if (kind === "frr")
      for (const needed of frrFiles)
        if (boundFile(binds, needed) === undefined)
          return refuse(`topology.nodes.${nodeName}: a machine with an image of FRR binds its ${needed}`);
    return {
      name: nodeName,
      kind,
      role,
      management: {
        ipv4: pick("mgmt-ipv4") ?? hostOf(ipv4[0].toByteArray(), 11 + index),
        ipv6: pick("mgmt-ipv6") ?? hostOf(ipv6[0].toByteArray(), 0x11 + index),
      },
      ...(startup !== undefined && { startupConfig: resolve(dirname(path), startup) }),
      binds,
      env: Object.assign({}, ...layers.map((l) => l.env ?? {})) as Record<string, string>,
      labels,
      exec: layers
        .flatMap((l) => l.exec ?? [])
        .map((line) => {
          const words = splitWords(line);
          if (words === undefined || words.length === 0)
            return refuse(`topology.nodes.${nodeName}.exec: ${JSON.stringify(line)} is no command`);
          return words;
        }),
    };
  });

  const taken = new Set<string>();
  const end = (text: string): LinkEnd => {
    const [node, interfaceName, ...more] = text.split(":");
    if (!node || !interfaceName || more.length > 0 || !/^[a-zA-Z][\w.-]{0,14}$/.test(interfaceName))
      return refuse(`topology.links: ${JSON.stringify(text)} is not node:interface`);
    if (!nodes.some((n) => n.name === node)) return refuse(`topology.links: there is no node ${node}`);
    if (interfaceName === "eth0" || interfaceName === "lo")
      return refuse(`topology.links: ${text}: eth0 is the management interface, lo the loopback`);
    if (taken.has(text)) return refuse(`topology.links: ${text} is used twice`);
    taken.add(text);
    return { node, interface: interfaceName };
  };
  return {
    name: read.data.name,
    nodes,
    links: topology.links.map(({ endpoints, mtu }) => ({
      ends: [end(endpoints[0]), end(endpoints[1])],
      ...(mtu !== undefined && { mtu }),
    })),
    management: {
      bridge: mgmt.bridge ?? "mgmt",
      ipv4: { gateway: hostOf(ipv4[0].toByteArray(), 1), length: ipv4[1] },
      ipv6: { gateway: hostOf(ipv6[0].toByteArray(), 1), length: ipv6[1] },
    },
  };
}

/** Which of FRR's daemons run, and their configuration: without these it does nothing. */
const frrFiles = ["/etc/frr/daemons", "/etc/frr/frr.conf"] as const;

/** `frrouting/frr:v8.4.1`, from whatever registry. Which FRR runs is not the image's but Debian's affair. */
function isFrrImage(image: string): boolean {
  return /(^|\/)frr(:[^/]*)?(@.*)?$/.test(image);
}

function parseBind(text: string, directory: string): Bind | undefined {
  const [source, target, mode = "rw", ...more] = text.split(":");
  if (!source || !target?.startsWith("/") || !["ro", "rw"].includes(mode) || more.length > 0)
    return undefined;
  return {
    source: resolve(directory, source),
    target: normalize(target).replace(/(.)\/$/, "$1"),
    isReadOnly: mode === "ro",
  };
}

/** The host's file that a machine sees as `path`; undefined when no bind brings it. The last bind wins, as with mounts. */
export function boundFile(binds: readonly Bind[], path: string): string | undefined {
  const bind = binds.findLast(({ target }) => path === target || path.startsWith(`${target}/`));
  return bind && join(bind.source, path.slice(bind.target.length));
}

/** The address `index` places after the network's first. */
function hostOf(network: number[], index: number): string {
  const bytes = [...network];
  let carry = index;
  for (let i = bytes.length - 1; carry > 0 && i >= 0; i--) {
    carry += bytes[i]!;
    bytes[i] = carry & 0xff;
    carry >>= 8;
  }
  const address = ipaddr.fromByteArray(bytes);
  return address instanceof ipaddr.IPv6 ? address.toRFC5952String() : address.toString();
}
