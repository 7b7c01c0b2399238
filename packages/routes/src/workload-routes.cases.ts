/** What workload routes do over any kernel, the real one and the fake. */
import { priorityCases } from "./priority.cases.ts";
import { reconciliationCases } from "./reconciliation.cases.ts";
import type { WorkloadRoutesCase } from "./workload-routes.fixture.ts";

export const workloadRoutesCases: readonly WorkloadRoutesCase[] = [...priorityCases, ...reconciliationCases];
