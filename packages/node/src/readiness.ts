import type { BeenReady, Log, Readiness } from "@fairlead/cni";
import type { PolicyEngine } from "@fairlead/policy";
import type { Complaints } from "./health-server.ts";

export interface NodeReadinessOptions {
  readonly policy: Pick<PolicyEngine, "health">;
  readonly beenReady: BeenReady;
  readonly log: Log;
}

/**
 * Two answers to two questions. `/readiness` is the agent's: can it do everything now? STATUS is the node's: may pods stay here? Kubernetes evicts
 * every pod of a node that says no for five minutes, so an agent that starts again or has lost the API server says yes: what it put into
 * the kernel since the machine started goes on. Only a node where no agent has been ready yet says no.
 */
export interface NodeReadiness {
  /** From now on the cluster's objects and this node's endpoints are known. */
  known(): void;
  complaints(): Complaints;
  status(): Readiness;
}

export function createNodeReadiness({ policy, beenReady, log }: NodeReadinessOptions): NodeReadiness {
  let isKnown = false;
  let excused: string | undefined;

  function complaints(): Complaints {
    const { ready, problems } = policy.health();
    const found = [
      ...(isKnown ? [] : ["the cluster's objects have not been read yet"]),
      ...(ready ? [] : [`policy is not in the kernel: ${problems[0]?.message ?? "starting"}`]),
    ];
    if (found.length === 0) beenReady.set();
    return found;
  }

  return {
    known() {
      isKnown = true;
      complaints();
    },
    complaints,
    status() {
      const [reason] = complaints();
      if (reason !== undefined && !beenReady.isSet()) return { ready: false, code: "NotAvailable", reason };
      if (reason !== undefined && reason !== excused)
        log.warn(
          { reason },
          "STATUS: the node stays ready, the agent is not; pods go on with what is in the kernel",
        );
      excused = reason;
      return { ready: true };
    },
  };
}

/** Forgets on exit, for an agent without a run directory. */
export function createBeenReadyInMemory(): BeenReady {
  let isSet = false;
  return {
    isSet: () => isSet,
    set() {
      isSet = true;
    },
  };
}
