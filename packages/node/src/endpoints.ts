import type { Attachment, Endpoints } from "@fairlead/cni";
import type { LocalEndpoint, NamedPort, PolicyEngine } from "@fairlead/policy";
import { consequences, type MigrationIdentity, type MigrationRecord } from "./migration.ts";
import type { Migrations } from "./migrations.ts";
import type { Timeline } from "./timeline.ts";

/** What the cluster says of an endpoint's pod, as far as policy wants to know. */
export interface EndpointFacts {
  readonly labels: Readonly<Record<string, string>>;
  readonly serviceAccount?: string | undefined;
  readonly ports: readonly NamedPort[];
  readonly allowedSourcePrefixes: readonly string[];
  /** MACs of the guest inside, as the VMI says; the pod's own where there is no guest or it is not known. */
  readonly guestMacs: readonly string[];
  /** The migration the pod was made for. */
  readonly migration?: MigrationIdentity | undefined;
}

export interface EndpointsComponents {
  readonly policy: Pick<PolicyEngine, "endpoints" | "ready">;
  readonly migrations: Pick<Migrations, "follow" | "listening" | "drop" | "recordOf">;
  readonly timeline: Timeline;
  factsOf(attachment: Attachment): EndpointFacts;
  readonly onError: (error: unknown, attachment: Attachment) => void;
}

export interface LocalEndpoints extends Endpoints {
  /** Tells policy again: labels, MACs or the migration's state have changed. */
  refresh(attachment: Attachment): void;
  list(): readonly Attachment[];
  /** The attachment that has this host-side interface now. */
  find(hostInterface: string): Attachment | undefined;
}

/** Name of an endpoint in policy, timeline and metrics. */
export const endpointId = ({ pod, ifName }: Attachment) => `k8s/${pod.namespace}.${pod.name}/${ifName}`;

interface Present {
  attachment: Attachment;
  /** What policy was told last, as text. */
  told: string;
  ready: boolean;
}

/** The pod interfaces of this node: told to policy, handed to the migration machine. */
export function createEndpoints(components: EndpointsComponents): LocalEndpoints {
  const { policy, migrations, timeline } = components;
  const present = new Map<string, Present>();

  const currentOf = (attachment: Attachment) => {
    const found = present.get(attachment.hostInterface);
    return found?.attachment.containerId === attachment.containerId ? found : undefined;
  };

  function tell(entry: Present): void {
    const { attachment } = entry;
    const endpoint = describe(attachment, components.factsOf(attachment), migrations.recordOf(attachment));
    const text = JSON.stringify(endpoint);
    if (text === entry.told) return;
    policy.endpoints.upsert(endpoint);
    entry.told = text;
    entry.ready = false;
    policy.ready(endpoint.id).then(
      () => {
        // A later change or removal may have overtaken this one.
        if (entry.told !== text || present.get(attachment.hostInterface) !== entry) return;
        entry.ready = true;
        timeline.record({ event: "policy-ready", endpoint: endpointId(attachment) });
      },
      (error) => components.onError(error, attachment),
    );
  }

  return {
    add(attachment) {
      const entry = { attachment, told: "", ready: false };
      present.set(attachment.hostInterface, entry);
      tell(entry);
      timeline.record({ event: "endpoint-added", endpoint: endpointId(attachment), role: attachment.role });
    },
    wired(attachment) {
      const entry = currentOf(attachment);
      if (!entry) return;
      entry.attachment = attachment;
      const { migration } = components.factsOf(attachment);
      migrations.follow(attachment, attachment.role === "target" ? migration : undefined);
      tell(entry);
    },
    async ready(attachment, signal) {
      await policy.ready(endpointId(attachment), { signal });
      // A target's guest must not come before anybody listens.
      await migrations.listening(attachment);
    },
    isReady: (attachment) => currentOf(attachment)?.ready ?? false,
    refresh(attachment) {
      const entry = currentOf(attachment);
      if (entry) tell(entry);
    },
    remove(attachment) {
      // One that was not taken up again yet after a restart has routes and rules all the same.
      if (present.has(attachment.hostInterface) && !currentOf(attachment)) return;
      // First it attracts nothing, then it may send nothing.
      migrations.drop(attachment);
      policy.endpoints.remove(endpointId(attachment));
      present.delete(attachment.hostInterface);
      timeline.record({ event: "endpoint-removed", endpoint: endpointId(attachment), role: attachment.role });
    },
    list: () => [...present.values()].map(({ attachment }) => attachment),
    find: (hostInterface) => present.get(hostInterface)?.attachment,
  };
}

/** A migration target is `arriving` from the first moment: its guest's connections began elsewhere. */
function describe(
  attachment: Attachment,
  facts: EndpointFacts,
  record: MigrationRecord | undefined,
): LocalEndpoint {
  const state = record
    ? consequences[record.state].policy
    : attachment.role === "target"
      ? "arriving"
      : "running";
  const macs = new Set([...(attachment.mac ? [attachment.mac] : []), ...facts.guestMacs]);
  return {
    id: endpointId(attachment),
    interfaceName: attachment.hostInterface,
    pod: { namespace: attachment.pod.namespace, name: attachment.pod.name },
    labels: facts.labels,
    ...(facts.serviceAccount && { serviceAccount: facts.serviceAccount }),
    addresses: attachment.addresses,
    macs: [...macs],
    ports: facts.ports,
    ...(facts.allowedSourcePrefixes.length > 0 && { allowedSourcePrefixes: facts.allowedSourcePrefixes }),
    state,
  };
}
