import { isApiError, type KubernetesObject, kinds, type Pod, type ResourceKind } from "@fairlead/api";
import {
  createPolicyEngine,
  type Explanation,
  type Packet,
  type PolicyEngine,
  podPorts,
  policyKinds,
  type Step,
} from "@fairlead/policy";
import { createFakeDataplane } from "@fairlead/policy/fake";
import { Command, InvalidArgumentError } from "commander";
import { type Session, show } from "./session.ts";
import { UsageError } from "./usage-error.ts";

const protocols = ["tcp", "udp", "sctp"] as const;

interface ExplainFlags {
  readonly from: string;
  readonly to: string;
  readonly port: number;
  readonly protocol: (typeof protocols)[number];
  readonly json?: boolean;
}

/** What policy says of one connection, at both of its ends and for both families. */
export interface ConnectionExplanation {
  readonly source: string;
  readonly destination: string;
  /** On the way out of the source pod. */
  readonly egress: Explanation;
  /** On the way into the destination pod. */
  readonly ingress: Explanation;
}

/** `policy explain`: reads the cluster's objects and asks the model the rules are made from; no node and no kernel is touched. */
export function policyCommands(open: () => Session): Command {
  const policy = new Command("policy").description("network policy");
  policy
    .command("explain")
    .description("may one pod open a connection to another, and which rule says so")
    .requiredOption("--from <namespace/pod>", "the pod that connects")
    .requiredOption("--to <namespace/pod>", "the pod that is connected to")
    .requiredOption("--port <number>", "destination port", readPort)
    .option("--protocol <name>", protocols.join(", "), readProtocol, "tcp")
    .option("--json", "machine-readable output")
    .action(async (flags: ExplainFlags) => {
      const session = open();
      const explanations = await explainConnection(session, flags);
      show(session, flags.json === true, explanations, () => explanations.map(renderExplanation).join(""));
    });
  return policy;
}

function readPort(text: string): number {
  const port = Number(text);
  if (/^\d+$/.test(text) && port >= 1 && port <= 65_535) return port;
  throw new InvalidArgumentError("a port is a number from 1 to 65535.");
}

function readProtocol(text: string): (typeof protocols)[number] {
  const found = protocols.find((protocol) => protocol === text.toLowerCase());
  if (found) return found;
  throw new InvalidArgumentError(`use one of ${protocols.join(", ")}.`);
}

async function explainConnection(
  { client }: Session,
  { from, to, port, protocol }: ExplainFlags,
): Promise<ConnectionExplanation[]> {
  const [source, destination] = await Promise.all(
    [from, to].map((text) => client.get(kinds.Pod, referenceOf(text))),
  );
  if (!source || !destination) return [];
  const engine = createPolicyEngine({ dataplane: createFakeDataplane(), nodeName: "" });
  await Promise.all(
    policyKinds.map(async (name) => {
      const kind: ResourceKind<KubernetesObject, never> = kinds[name];
      for (const object of await listPresent(client, kind)) engine.objects.upsert(name, object);
    }),
  );
  addEndpoint(engine, source, "cali-source");
  addEndpoint(engine, destination, "cali-destination");
  const pairs = addressesOf(source).flatMap((one) =>
    addressesOf(destination)
      .filter((other) => other.includes(":") === one.includes(":"))
      .map((other) => [one, other] as const),
  );
  if (pairs.length === 0)
    throw new UsageError("the pods have no addresses of the same family; are both running?");
  return pairs.map(([one, other]) => {
    const packet = { source: one, destination: other, protocol, sourcePort: 49_152, destinationPort: port };
    const ask = (direction: Packet["direction"], pod: Pod) =>
      engine.explain({ ...packet, direction }, idOf(pod));
    return {
      source: one,
      destination: other,
      egress: ask("out", source),
      ingress: ask("in", destination),
    };
  });
}

/** A kind that the cluster does not have has no policies. */
async function listPresent(
  client: Session["client"],
  kind: ResourceKind<KubernetesObject, never>,
): Promise<readonly KubernetesObject[]> {
  try {
    return (await client.list(kind)).items;
  } catch (error) {
    if (isApiError(error, "NotServed")) return [];
    throw error;
  }
}

function referenceOf(text: string): { namespace: string; name: string } {
  const [first = "", second, ...rest] = text.split("/");
  const [namespace, name] = second === undefined ? ["default", first] : [first, second];
  if (namespace && name && rest.length === 0) return { namespace, name };
  throw new UsageError(`${text} names no pod: write namespace/name`);
}

const idOf = ({ metadata }: Pod) => `k8s/${metadata.namespace}.${metadata.name}/eth0`;
const addressesOf = ({ status }: Pod) => (status?.podIPs ?? []).map(({ ip }) => ip);

function addEndpoint(engine: PolicyEngine, pod: Pod, interfaceName: string): void {
  const { metadata, spec } = pod;
  engine.endpoints.upsert({
    id: idOf(pod),
    interfaceName: interfaceName.slice(0, 15),
    pod: { namespace: metadata.namespace ?? "default", name: metadata.name },
    labels: metadata.labels ?? {},
    serviceAccount: spec.serviceAccountName ?? "default",
    addresses: addressesOf(pod),
    macs: ["02:00:00:00:00:01"],
    ports: podPorts(spec),
    state: "running",
  });
}

function renderExplanation({ source, destination, egress, ingress }: ConnectionExplanation): string {
  const isAllowed = egress.verdict === "allow" && ingress.verdict === "allow";
  const lines = (title: string, { verdict, path, staged }: Explanation): string[] => [
    `  ${title}: ${verdict}`,
    ...path.map((step) => `    ${renderStep(step)}`),
    ...(staged ? lines(`${title}, if staged policies were in force`, staged) : []),
  ];
  return [
    `${source} -> ${destination}: ${isAllowed ? "allowed" : "denied"}`,
    ...lines("leaving the source", egress),
    ...lines("entering the destination", ingress),
    "",
  ].join("\n");
}

function renderStep(step: Step): string {
  switch (step.at) {
    case "endpoint":
      return step.note;
    case "rule":
      return `${step.action}: rule ${step.rule} of ${step.policy}, tier ${step.tier}`;
    case "tier":
      return `${step.action}: end of tier ${step.tier}`;
    case "profile":
      return `${step.action}: profile ${step.profile}`;
    case "default":
      return `${step.action}: ${step.note}`;
  }
}
