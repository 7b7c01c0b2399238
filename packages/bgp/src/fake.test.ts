import { expect, it } from "vitest";
import { createFakeBird } from "./fake.ts";
import { localPreferenceOf } from "./priority.ts";
import { describeRoutesElsewhere } from "./routes-elsewhere.cases.ts";
import type { RouteEntry } from "./status.ts";

describeRoutesElsewhere(
  "as the fake BIRD knows them",
  (() => {
    const bird = createFakeBird();
    const put = (network: string, source: string, metric: number | undefined) => {
      const others = bird.table.filter((route) => route.network !== network || route.source !== source);
      const entry: RouteEntry = {
        network,
        source,
        primary: false,
        protocol: source === "BGP" ? "bgp4_tor" : "kernel4",
        preference: source === "BGP" ? 200 : 300,
        communities: [],
        ...(source === "BGP" && { nextHop: "10.10.2.2", localPreference: localPreferenceOf(metric ?? 0) }),
      };
      bird.table = metric === undefined ? others : [...others, entry];
    };
    return () => ({
      bird,
      setHere: (destination: string, metric: number | undefined) => put(destination, "inherit", metric),
      setElsewhere: (destination: string, metric: number | undefined) => put(destination, "BGP", metric),
    });
  })(),
);

it("a fake BIRD that does not run knows of no routes", async () => {
  const bird = createFakeBird();
  bird.running = false;
  await expect(bird.routesElsewhere(["10.0.0.1/32"])).rejects.toMatchObject({ code: "Unreachable" });
});
