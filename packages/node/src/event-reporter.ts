import { type ApiClient, kinds } from "@fairlead/api";
import type { Attachment } from "@fairlead/cni";
import type { MigrationInput, MigrationRecord, MigrationState } from "./migration.ts";

export interface EventReporterOptions {
  readonly client: Pick<ApiClient, "create">;
  readonly nodeName: string;
  /** The machine's clock, for people: milliseconds since 1970. */
  readonly now: () => number;
  readonly onError: (error: unknown) => void;
}

export interface EventReporter {
  /** Writes a Kubernetes event on the VMI; nobody waits for it. */
  report(attachment: Attachment, record: MigrationRecord, because: MigrationInput["type"]): void;
  /** Resolves when nothing is on the way. */
  idle(): Promise<void>;
}

/** What a state means to the person who reads the VMI's events. */
const texts: Readonly<Record<MigrationState, readonly [reason: string, message: string]>> = {
  Base: ["RoutesNormal", "routes to the VM have the normal priority"],
  Candidate: ["TargetCreated", "pod waits to be named as target; it attracts no traffic and hears nothing"],
  Target: ["TargetPrepared", "target is prepared and attracts no traffic yet"],
  Live: ["GuestAnnounced", "guest runs here; routes have the elevated priority"],
  TimeWait: [
    "GuestArrived",
    "migration is over; routes keep the elevated priority until routers have converged",
  ],
  Away: ["GuestElsewhere", "guest does not run here; no route to it from this node"],
};

export function createEventReporter({ client, nodeName, now, onError }: EventReporterOptions): EventReporter {
  const underWay = new Set<Promise<void>>();

  async function write(
    { pod, vm }: Attachment,
    { state, epoch }: MigrationRecord,
    because: string,
  ): Promise<void> {
    if (!vm) return;
    const [reason, message] = texts[state];
    const at = new Date(now()).toISOString();
    await client.create(
      kinds.Event,
      {
        metadata: { generateName: `${vm.name.slice(0, 200)}.`, namespace: pod.namespace },
        involvedObject: {
          apiVersion: "kubevirt.io/v1",
          kind: "VirtualMachineInstance",
          name: vm.name,
          namespace: pod.namespace,
          uid: vm.vmiUid,
        },
        reason,
        message: `${nodeName}, pod ${pod.name}: ${message} (${because}, epoch ${epoch})`,
        type: "Normal",
        source: { component: "fairlead-node", host: nodeName },
        firstTimestamp: at,
        lastTimestamp: at,
        count: 1,
      },
      { signal: AbortSignal.timeout(10_000) },
    );
  }

  return {
    report(attachment, record, because) {
      const one = write(attachment, record, because)
        .catch(onError)
        .finally(() => underWay.delete(one));
      underWay.add(one);
    },
    async idle() {
      await Promise.all(underWay);
    },
  };
}
