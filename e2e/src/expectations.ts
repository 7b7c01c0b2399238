/** What suites expect of a VM's routes and probes. */
import { waitFor } from "@fairlead/lab";
import { expect } from "vitest";
import type { Stage } from "./stage.ts";

/** Priorities of workload routes in the kernel. */
export const metrics = { normal: 1024, elevated: 512 };

/** The workload routes a node has now, by what its kernel said since the stage was set. */
export function metricsOn(stage: Stage, node: string): Record<4 | 6, number[]> {
  const now = { 4: [] as number[], 6: [] as number[] };
  for (const { where, origin, family, change, metric } of stage.routes) {
    if (where !== node || origin !== "workload") continue;
    now[family] = now[family].filter((present) => present !== metric);
    if (change === "added") now[family].push(metric);
  }
  return now;
}

/** Waits until a node has one route a family, with the normal priority. */
export async function untilNormal(stage: Stage, node: string): Promise<void> {
  await waitFor(`normal priority on ${node}`, 60, () => {
    const { 4: v4, 6: v6 } = metricsOn(stage, node);
    return [v4, v6].every((list) => list.length === 1 && list[0] === metrics.normal) ? true : undefined;
  });
}

/** The priorities a node's workload routes were given, in order. */
export function gainedOn(stage: Stage, node: string): Record<4 | 6, number[]> {
  const gained = stage.routes.filter(
    ({ where, origin, change }) => where === node && origin === "workload" && change === "added",
  );
  const of = (wanted: 4 | 6) => gained.filter(({ family }) => family === wanted).map(({ metric }) => metric);
  return { 4: of(4), 6: of(6) };
}

/** No connection was broken or reset since then, and TCP lost nothing. Ends the probes. */
export async function expectUnbroken(stage: Stage, from: number): Promise<void> {
  for (const figures of await stage.endProbes(from)) {
    expect(figures, figures.name).toMatchObject({ resets: 0, brokenConnections: 0 });
    if (figures.name.includes("tcp")) expect(figures.lost, figures.name).toBe(0);
  }
}
