import { parts, type Timing } from "@fairlead/cni";
import { Counter, Gauge, Histogram, Registry } from "prom-client";
import { type MigrationState, transitions } from "./migration.ts";
import { type RemarkPart, type Remarks, remarkReasons } from "./remarks.ts";

/** What the agent counts, in Prometheus' terms. */
export interface AgentMetrics {
  readonly registry: Registry;
  added(timing: Timing): void;
  stateChanged(to: MigrationState, because: string): void;
  /** From the kernel's receipt of the announcement to its acknowledgement of the route, seconds. */
  elevated(seconds: number): void;
  promotionFailed(): void;
  /** So many packets were sent after a guest that had left. */
  sentAfterGuest(packets: number): void;
  problem(part: string): void;
}

export interface MetricSources {
  statesNow(): readonly MigrationState[];
  pendingPromotions(): number;
  readonly remarks?: Remarks | undefined;
}

const fast = [0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.05, 0.25, 1];
const slow = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1, 5, 30];

export function createAgentMetrics(sources: MetricSources): AgentMetrics {
  const registry = new Registry();
  const registers = [registry];
  const add = new Histogram({
    name: "fairlead_cni_add_seconds",
    help: "Parts of CNI ADD; total includes the messenger's start",
    labelNames: ["part"],
    buckets: slow,
    registers,
  });
  const changes = new Counter({
    name: "fairlead_migration_state_changes_total",
    help: "State changes of endpoints, by new state and what caused them",
    labelNames: ["state", "because"],
    registers,
  });
  const elevation = new Histogram({
    name: "fairlead_migration_elevation_seconds",
    help: "From the kernel's receipt of a guest's announcement to the elevated routes in the kernel",
    buckets: fast,
    registers,
  });
  const failures = new Counter({
    name: "fairlead_promotion_failures_total",
    help: "Failed attempts to make a target the owner of its addresses",
    registers,
  });
  const stragglers = new Counter({
    name: "fairlead_stragglers_total",
    help: "Packets that a guest had not read when it left, and that were sent after it",
    registers,
  });
  const problems = new Counter({
    name: "fairlead_problems_total",
    help: "Errors that were handled, by part",
    labelNames: ["part"],
    registers,
  });
  new Gauge({
    name: "fairlead_promotions_pending",
    help: "Targets whose ownership of addresses is still being tried",
    registers,
    collect() {
      this.set(sources.pendingPromotions());
    },
  });
  new Gauge({
    name: "fairlead_remarks",
    help: "What an operator should know although the agent is ready, by part; /readiness has the words",
    labelNames: ["part"],
    registers,
    collect() {
      for (const part of Object.keys(remarkReasons) as RemarkPart[])
        this.set({ part }, sources.remarks?.list(part).length ?? 0);
    },
  });
  new Gauge({
    name: "fairlead_endpoints",
    help: "Endpoints of this node by migration state",
    labelNames: ["state"],
    registers,
    collect() {
      const states = sources.statesNow();
      for (const state of Object.keys(transitions))
        this.set({ state }, states.filter((one) => one === state).length);
    },
  });
  return {
    registry,
    added: (timing) => {
      for (const part of parts) add.observe({ part }, timing[part] / 1000);
    },
    stateChanged: (state, because) => changes.inc({ state, because }),
    elevated: (seconds) => elevation.observe(seconds),
    promotionFailed: () => failures.inc(),
    sentAfterGuest: (packets) => stragglers.inc(packets),
    problem: (part) => problems.inc({ part }),
  };
}
