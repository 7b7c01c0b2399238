import { setTimeout as delay } from "node:timers/promises";
import { describe, expect, it } from "vitest";
import type { Bird } from "./bird.ts";
import type { RouteElsewhere } from "./status.ts";

/** A BIRD, and what it hears. Metrics are those of workload routes in the kernels of this node and another; undefined: none. */
export interface Hearing {
  readonly bird: Bird;
  setHere(destination: string, metric: number | undefined): void;
  setElsewhere(destination: string, metric: number | undefined): void;
}

const four = "10.244.7.5/32";
const six = "fd00:10:244:7::5/128";

/** What every Bird knows of others. `hearing` is asked for in each case, when it is there. */
export function describeRoutesElsewhere(name: string, hearing: () => Hearing): void {
  const metrics = (routes: readonly RouteElsewhere[]) =>
    routes.map(({ destination, metric }) => `${destination} ${metric}`);

  /** News takes its time from BIRD to BIRD. */
  async function eventually(destinations: readonly string[], expected: readonly string[]): Promise<void> {
    const deadline = performance.now() + 30_000;
    for (;;) {
      const seen = metrics(await hearing().bird.routesElsewhere(destinations));
      if (JSON.stringify(seen) === JSON.stringify(expected)) return;
      if (performance.now() > deadline) expect(seen).toEqual(expected);
      await delay(5);
    }
  }

  describe(`routes elsewhere, ${name}`, () => {
    it("are those that another node announces, with the metric it announces, in both families", async () => {
      hearing().setElsewhere(four, 512);
      hearing().setElsewhere(six, 505);
      await eventually([four, six], [`${four} 512`, `${six} 505`]);
      const [route] = await hearing().bird.routesElsewhere([four]);
      expect(route).toMatchObject({ protocol: expect.any(String), nextHop: expect.any(String) });
      hearing().setElsewhere(four, undefined);
      hearing().setElsewhere(six, undefined);
      await eventually([four, six], []);
    });

    it("are not hidden by a better route of this node, which is none of them", async () => {
      hearing().setElsewhere(four, 511);
      hearing().setElsewhere(six, 511);
      await eventually([six, four], [`${six} 511`, `${four} 511`]);
      hearing().setHere(four, 510);
      hearing().setHere(six, 512);
      hearing().setElsewhere(four, 509);
      hearing().setElsewhere(six, 508);
      await eventually([four, six], [`${four} 509`, `${six} 508`]);
      hearing().setElsewhere(four, undefined);
      hearing().setElsewhere(six, undefined);
      await eventually([four, six], []);
      hearing().setHere(four, undefined);
      hearing().setHere(six, undefined);
    });

    it("are asked for by host routes, however an address is written, and each once", async () => {
      const long = "fd00:10:244:7:0:0:0:5/128";
      hearing().setElsewhere(six, 512);
      await eventually([long, long], [`${long} 512`]);
      hearing().setElsewhere(six, undefined);
      await eventually([long], []);
      for (const text of ["10.244.7.0/24", "10.244.7.5", "", "10.244.7.5/32 all", "x; configure"])
        await expect(hearing().bird.routesElsewhere([text])).rejects.toThrow(TypeError);
      const many = Array.from({ length: 65 }, (_, i) => `10.244.7.${i}/32`);
      await expect(hearing().bird.routesElsewhere(many)).rejects.toThrow("at most 64");
      expect(await hearing().bird.routesElsewhere([])).toEqual([]);
    });

    it("stop being asked for when the caller gives up", async () => {
      const reason = new Error("enough");
      await expect(hearing().bird.routesElsewhere([four], AbortSignal.abort(reason))).rejects.toBe(reason);
      expect(await hearing().bird.routesElsewhere([four])).toEqual([]);
    });
  });
}
