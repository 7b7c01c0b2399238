import { z } from "zod";
import { CniError } from "./error.ts";
import { type CniVersion, parseVersion } from "./version.ts";

const bool = z.union([z.boolean(), z.stringbool({ truthy: ["true"], falsy: ["false"] })]);
const pools = z.array(z.string().min(1)).default([]);

/**
 * The keys of a network configuration that mean something to us, with their defaults. Keys of other plug-ins, of other
 * platforms and of etcd are let through unread.
 */
const schema = z.object({
  cniVersion: z.string().optional(),
  name: z
    .string()
    .regex(/^[a-zA-Z0-9_.-]+$/, "must consist of letters, digits, '_', '.' and '-'")
    // Handles of VMs begin with the network's name and ".vmi.", those of containers with the network's name and ".".
    .refine((name) => !/\.vmi(\.|$)/i.test(name), "must have no part 'vmi': it would name addresses of VMs"),
  type: z.string().default("calico"),
  ipam: z
    .object({
      type: z.enum(["calico-ipam", "fairlead-ipam"]).default("calico-ipam"),
      /** Absent: as the enabled pools are. */
      assign_ipv4: bool.optional(),
      assign_ipv6: bool.optional(),
      ipv4_pools: pools,
      ipv6_pools: pools,
    })
    .prefault({}),
  /** Bytes; 0: the number in the mtu file, else the kernel's default. */
  mtu: z.number().int().min(0).max(65535).default(0),
  require_mtu_file: bool.default(false),
  num_queues: z.number().int().min(1).max(256).default(1),
  nodename: z.string().optional(),
  container_settings: z.object({ allow_ip_forwarding: bool.default(false) }).prefault({}),
  feature_control: z
    .object({ ip_addrs_no_ipam: bool.default(false), floating_ips: bool.default(false) })
    .prefault({}),
  /** Seconds ADD waits for the endpoint's policy. */
  policy_setup_timeout_seconds: z.number().int("must be a whole number").min(0).default(0),
  endpoint_status_dir: z.string().startsWith("/").default("/var/run/calico/endpoint-status"),
  log_level: z.string().default("info"),
  prevResult: z.unknown().optional(),
  "cni.dev/valid-attachments": z
    .array(z.object({ containerID: z.string(), ifname: z.string() }))
    .nullish()
    .transform((list) => list ?? []),
});

/** A network configuration as the runtime hands it to the plug-in, checked, with defaults filled in. */
export type NetworkConfig = Omit<z.output<typeof schema>, "cniVersion"> & { readonly cniVersion: CniVersion };

const unsupported = ["host-local", "dhcp", "static"];

/** @throws CniError DecodeFailure (not JSON), IncompatibleVersion, UnsupportedField, InvalidConfiguration */
export function parseConfig(text: string): NetworkConfig {
  let raw: unknown;
  try {
    raw = JSON.parse(text);
  } catch (cause) {
    throw new CniError("DecodeFailure", "the network configuration is not JSON", "look at the conflist", {
      cause,
    });
  }
  const given = typeof raw === "object" && raw !== null ? (raw as Record<string, unknown>) : {};
  const cniVersion = parseVersion(given.cniVersion);
  const ipamType = (given.ipam as { type?: unknown } | undefined)?.type;
  if (typeof ipamType === "string" && unsupported.includes(ipamType)) {
    throw new CniError(
      "UnsupportedField",
      `ipam.type "${ipamType}" is not supported`,
      'use "calico-ipam": a VM keeps its address only when Fairlead assigns it',
    );
  }
  const timeout = given.policy_setup_timeout_seconds;
  if (typeof timeout === "number" && timeout < 0) {
    throw new CniError(
      "InvalidConfiguration",
      `invalid pod startup delay of ${timeout}`,
      "policy_setup_timeout_seconds is a number of seconds, 0 or more",
    );
  }
  const parsed = schema.safeParse(raw);
  if (!parsed.success) {
    const issue = parsed.error.issues[0];
    const field = issue?.path.join(".") || "the configuration";
    throw new CniError(
      "InvalidConfiguration",
      `network configuration: ${field}: ${issue?.message ?? "invalid"}`,
      "correct the conflist in /etc/cni/net.d",
      { cause: parsed.error },
    );
  }
  return { ...parsed.data, cniVersion };
}
