import { z } from "zod";
import { network, object, wrong } from "./fields.ts";
import { selector } from "./selector-field.ts";

/** Protocol names that rules may use; any other is written as its number. */
export const protocolNumbers = {
  ICMP: 1,
  TCP: 6,
  UDP: 17,
  ICMPv6: 58,
  SCTP: 132,
  UDPLite: 136,
} as const;

const intOrString = { "x-kubernetes-int-or-string": true };

/** A name (`TCP`), or a number from 1 to 255. Names are read in any case. */
export const protocol = z
  .union([z.int().min(1).max(255), z.string()])
  .transform((value, context): keyof typeof protocolNumbers | number => {
    if (typeof value === "number") return value;
    const name = protocolNames.find((known) => known.toLowerCase() === value.toLowerCase());
    if (name) return name;
    if (/^[1-9]\d{0,2}$/.test(value) && Number(value) <= 255) return Number(value);
    const remedy = `Write one of ${protocolNames.join(", ")} or a number from 1 to 255.`;
    context.addIssue({ code: "custom", message: "not a protocol", params: { remedy }, input: value });
    return z.NEVER;
  })
  .meta(intOrString);

const protocolNames = Object.keys(protocolNumbers) as (keyof typeof protocolNumbers)[];

/** A number, a range `min:max`, or the name of a port of the endpoint. */
export const port = z
  .union([z.int().min(0).max(65535), z.string()])
  .refine((value) => typeof value === "number" || isPortText(value), {
    ...wrong(
      "not a port",
      "Write a number from 0 to 65535, a range such as 8000:8100, or the name of a port.",
    ),
  })
  .meta(intOrString);

function isPortText(text: string): boolean {
  const range = /^(\d{1,5}):(\d{1,5})$/.exec(text);
  if (range) return Number(range[1]) <= Number(range[2]) && Number(range[2]) <= 65535;
  if (/^\d+$/.test(text)) return Number(text) <= 65535;
  return /^[A-Za-z0-9_.-]{1,128}$/.test(text);
}

const icmp = object({
  type: z.int().min(0).max(254).optional(),
  code: z.int().min(0).max(255).optional(),
}).refine(({ type, code }) => code === undefined || type !== undefined, {
  path: ["code"],
  ...wrong("a code belongs to a type", "Give the type too."),
});

const entity = object({
  nets: z.array(network).max(256).optional(),
  notNets: z.array(network).max(256).optional(),
  selector: selector.optional(),
  notSelector: selector.optional(),
  namespaceSelector: selector.optional(),
  services: object({ name: z.string(), namespace: z.string().optional() }).optional(),
  serviceAccounts: object({
    names: z.array(z.string()).optional(),
    selector: selector.optional(),
  }).optional(),
  ports: z.array(port).max(50).optional(),
  notPorts: z.array(port).max(50).optional(),
});

const http = object({
  methods: z.array(z.string()).max(20).optional(),
  paths: z
    .array(
      object({ exact: z.string().optional(), prefix: z.string().optional() }).refine(
        ({ exact, prefix }) => (exact === undefined) !== (prefix === undefined),
        wrong("needs exactly one of exact and prefix", "Write one of them."),
      ),
    )
    .max(20)
    .optional(),
});

export const action = z.enum(["Allow", "Deny", "Log", "Pass"]);

const hasPorts = new Set<string | number>(["TCP", "UDP", "SCTP", "UDPLite", 6, 17, 132, 136]);

type Entity = z.output<typeof entity>;

function usesPorts(side: Entity | undefined): boolean {
  return (side?.ports?.length ?? 0) > 0 || (side?.notPorts?.length ?? 0) > 0;
}

export const rule = object({
  action,
  ipVersion: z
    .union([z.literal(4), z.literal(6)])
    .optional()
    .meta({ type: "integer", enum: [4, 6] }),
  protocol: protocol.optional(),
  notProtocol: protocol.optional(),
  icmp: icmp.optional(),
  notICMP: icmp.optional(),
  source: entity.optional(),
  destination: entity.optional(),
  http: http.optional(),
  metadata: object({ annotations: z.record(z.string(), z.string()).optional() }).optional(),
})
  .refine(
    ({ protocol, source, destination }) =>
      (!usesPorts(source) && !usesPorts(destination)) || (protocol !== undefined && hasPorts.has(protocol)),
    {
      path: ["protocol"],
      ...wrong("ports need a protocol that has ports", "Set protocol to TCP, UDP or SCTP."),
    },
  )
  .refine(
    ({ protocol, icmp, notICMP }) =>
      (icmp === undefined && notICMP === undefined) || ["ICMP", "ICMPv6", 1, 58].includes(protocol ?? ""),
    { path: ["protocol"], ...wrong("icmp needs an ICMP protocol", "Set protocol to ICMP or ICMPv6.") },
  )
  .refine(
    ({ ipVersion, protocol }) =>
      !(protocol === "ICMP" && ipVersion === 6) && !(protocol === "ICMPv6" && ipVersion === 4),
    {
      path: ["ipVersion"],
      ...wrong("does not fit the protocol", "ICMP goes with 4, ICMPv6 with 6."),
    },
  )
  .refine(({ http, action }) => http === undefined || action === "Allow", {
    path: ["http"],
    ...wrong("http matches only in Allow rules", "Set action to Allow."),
  });

/** One rule of a tiered policy. */
export type Rule = z.output<typeof rule>;
/** One side of a rule: who sends, or who receives. */
export type EntityRule = Entity;
/** A protocol's name in capitals, or its number. */
export type Protocol = z.output<typeof protocol>;
/** A number, a range `first:last`, or a name. */
export type Port = z.output<typeof port>;

export const rules = z.array(rule).max(1024);
export const types = z.array(z.enum(["Ingress", "Egress"])).max(2);
/** Lower first. Absent comes last. */
export const order = z.number().optional();

interface WithRules {
  readonly types?: ("Ingress" | "Egress")[] | undefined;
  readonly ingress?: unknown[] | undefined;
  readonly egress?: unknown[] | undefined;
}

/** Without `types`: Ingress, unless there are egress rules; then what there are rules for. */
export function effectiveTypes({ types, ingress, egress }: WithRules): ("Ingress" | "Egress")[] {
  if (types !== undefined && types.length > 0) return types;
  if (egress === undefined) return ["Ingress"];
  return ingress === undefined ? ["Egress"] : ["Ingress", "Egress"];
}
