import type { ClusterView } from "@fairlead/api";
import type { Attachment, AttachmentStore, Log } from "@fairlead/cni";
import type { AssignedAddress } from "@fairlead/ipam";
import type { PolicyEngine } from "@fairlead/policy";
import type { WorkloadRoutes } from "@fairlead/routes";
import type { WatchedCni } from "./calls-under-way.ts";
import type { Clock, Timer } from "./clock.ts";
import type { MigrationMemory } from "./migration-components.ts";
import { type NodeEvidence, podsOfNode } from "./node-evidence.ts";
import { isNoteOf, rebuild, type Unexplained, unnoted } from "./rebuild.ts";
import type { Remarks } from "./remarks.ts";

export interface RecoveryOptions {
  readonly nodeName: string;
  /** Absent: nothing is known but the notes. */
  readonly evidence: NodeEvidence | undefined;
  readonly view: ClusterView;
  readonly attachments: AttachmentStore;
  readonly memory: Pick<MigrationMemory, "save">;
  readonly policy: Pick<PolicyEngine, "keep">;
  readonly routes: Pick<WorkloadRoutes, "installed" | "set" | "remove">;
  readonly cni: Pick<WatchedCni, "isBusy">;
  readonly clock: Clock;
  readonly log: Log;
  readonly remarks?: Remarks | undefined;
  /** An attachment that was found after the start. */
  readonly onLate: (attachment: Attachment) => void;
  readonly onError: (error: unknown) => void;
}

export interface Recovery extends Disposable {
  /** Those whose noted interface is the one in the kernel. After a reboot, or when a later note was lost, it is not. */
  present(attachments: readonly Attachment[]): readonly Attachment[];
  /**
   * Notes the attachments of interfaces that no note explains and returns them; keeps the rest as it is. Reads blocks only when there is such an
   * interface. Where they cannot be read nothing is explained, and the agent starts without. Goes on to look afterwards for as long as
   * something is unexplained.
   */
  recover(signal?: AbortSignal): Promise<readonly Attachment[]>;
}

/** How often an interface that nobody can explain is looked at again: its pod may be seen later. */
const lookAgainAfter = 30_000;
const firstRetry = 500;
const longestRetry = 10_000;

export function createRecovery(options: RecoveryOptions): Recovery {
  const { evidence, attachments, policy, routes, log } = options;
  const kept = new Set<string>();
  const abort = new AbortController();
  let timer: Timer | undefined;

  function pause(milliseconds: number, signal: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      const stop = () => {
        waiting.cancel();
        reject(signal.reason);
      };
      const waiting = options.clock.after(milliseconds, () => {
        signal.removeEventListener("abort", stop);
        resolve();
      });
      signal.addEventListener("abort", stop, { once: true });
    });
  }

  async function readAssigned(from: NodeEvidence, signal: AbortSignal): Promise<readonly AssignedAddress[]> {
    for (let wait = firstRetry; ; wait = Math.min(wait * 2, longestRetry))
      try {
        return await from.assigned(signal);
      } catch (error) {
        signal.throwIfAborted();
        options.onError(error);
        await pause(wait, signal);
      }
  }

  /** Everything but the blocks is read now, after they were, and nothing is awaited until it is noted. */
  function explain(from: NodeEvidence, assigned: readonly AssignedAddress[]): readonly Attachment[] {
    const { rebuilt, unexplained } = rebuild({
      interfaces: from.interfaces(),
      pods: podsOfNode(options.view, options.nodeName),
      assigned,
      statuses: from.statuses(),
      noted: attachments.list(),
    });
    // What a call is making or removing is its own business.
    const idle = rebuilt.filter(({ attachment }) => !options.cni.isBusy(attachment.pod));
    for (const { attachment, isAway } of idle) {
      attachments.put(attachment);
      if (isAway) options.memory.save(attachment, { state: "Away", epoch: 0 });
      const { pod, containerId, hostInterface, addresses, vm } = attachment;
      log.warn(
        { pod, containerId, hostInterface, addresses, vm },
        "a lost attachment was rebuilt from kernel and API",
      );
    }
    keep(unexplained);
    return idle.map(({ attachment }) => attachment);
  }

  function keep(unexplained: readonly Unexplained[]): void {
    const installed = routes.installed();
    for (const { interface: found } of unexplained) {
      kept.add(found.name);
      if (found.routed.length === 0) continue;
      const standing = installed.find(({ interfaceName }) => interfaceName === found.name);
      routes.set(found.name, {
        interfaceName: found.name,
        addresses: found.routed,
        state: standing?.state ?? "normal",
        ...(standing?.rank !== undefined && { rank: standing.rank }),
      });
    }
    for (const name of kept) {
      if (unexplained.some((one) => one.interface.name === name)) continue;
      kept.delete(name);
      // Under the same key may be an endpoint's route by now.
      if (!attachments.list().some(({ hostInterface }) => hostInterface === name)) routes.remove(name);
    }
    policy.keep([...kept]);
    options.remarks?.say(
      "interfaces",
      unexplained.map(
        ({ interface: { name }, reason }) => `interface ${name} is nobody's and stays as it is: ${reason}`,
      ),
    );
  }

  async function look(from: NodeEvidence): Promise<void> {
    try {
      const found = explain(from, await readAssigned(from, abort.signal));
      for (const attachment of found) options.onLate(attachment);
    } catch (error) {
      if (abort.signal.aborted) return;
      options.onError(error);
    }
    if (kept.size > 0) lookLater(from);
  }

  function lookLater(from: NodeEvidence, wait = lookAgainAfter): void {
    timer = options.clock.after(wait, () => void look(from));
  }

  /** Nobody's, as long as it cannot be told whose they are. */
  function keepAll(from: NodeEvidence): void {
    const reason = "the address blocks have not been read";
    keep(unnoted(from.interfaces(), attachments.list()).map((found) => ({ interface: found, reason })));
  }

  return {
    present(noted) {
      const interfaces = evidence?.interfaces();
      return interfaces ? noted.filter((note) => interfaces.some((found) => isNoteOf(note, found))) : noted;
    },
    async recover(signal) {
      if (!evidence || unnoted(evidence.interfaces(), attachments.list()).length === 0) return [];
      const ending = signal ? AbortSignal.any([signal, abort.signal]) : abort.signal;
      try {
        const found = explain(evidence, await evidence.assigned(ending));
        if (kept.size > 0) lookLater(evidence);
        return found;
      } catch (error) {
        ending.throwIfAborted();
        options.onError(error);
        keepAll(evidence);
        lookLater(evidence, firstRetry);
        return [];
      }
    },
    [Symbol.dispose]() {
      abort.abort();
      timer?.cancel();
    },
  };
}
