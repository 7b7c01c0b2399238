import { spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { type Bench, quantile } from "../../../scripts/bench.ts";
import { eventually, Fabric, type Machine } from "../src/fabric.fixture.ts";

const rounds = 40;

/** Milliseconds until the monitor prints a line that satisfies `isIt`, counted from just before `change`. */
async function until(
  monitor: NodeJS.EventEmitter,
  isIt: (line: string) => boolean,
  change: () => void,
): Promise<number> {
  const { promise, resolve } = Promise.withResolvers<number>();
  const began = performance.now();
  const onLine = (line: string) => {
    if (isIt(line)) resolve(performance.now() - began);
  };
  monitor.on("line", onLine);
  change();
  try {
    return await promise;
  } finally {
    monitor.off("line", onLine);
  }
}

function watch(machine: Machine, namespace: string) {
  const child = spawn("ip", ["-n", namespace, "monitor", "route"], { stdio: ["ignore", "pipe", "ignore"] });
  return { machine, child, lines: createInterface({ input: child.stdout }) };
}

/** From a workload's elevated route in a node's kernel to the changed route in the router's kernel. */
export default async (bench: Bench): Promise<void> => {
  await using fabric = new Fabric();
  const [source, target] = fabric.workers as [Machine, Machine];
  for (const [index, worker] of fabric.workers.entries()) {
    await worker.bird.apply(fabric.configuration(index + 1));
    worker.start();
  }
  const route = (metric: number) => [
    "10.244.1.5/32",
    "dev",
    "cali1",
    "proto",
    "80",
    "metric",
    String(metric),
  ];
  source.ip("route", "add", ...route(1024));
  await eventually(
    () => fabric.tor.ip("route", "show", "root", "10.244.0.0/16"),
    (text) => text.includes("via 10.10.1.2 ") && text.includes("via 10.10.2.2 "),
  );
  const away = watch(fabric.tor, `flb${process.pid}tor`);
  const local = watch(target, `flb${process.pid}n2`);
  await Promise.all([once(away.child, "spawn"), once(local.child, "spawn")]);
  const far: number[] = [];
  const near: number[] = [];
  for (let i = 0; i < rounds; i++) {
    const here = until(
      local.lines,
      (line) => line.startsWith("10.244.1.5 dev cali1"),
      () => {},
    );
    far.push(
      await until(
        away.lines,
        (line) => line.includes("10.244.1.5 via 10.10.2.2"),
        () => target.ip("route", "add", ...route(512)),
      ),
    );
    near.push(await here);
    await until(
      away.lines,
      (line) => line.startsWith("Deleted 10.244.1.5"),
      () => target.ip("route", "del", ...route(512)),
    );
  }
  away.child.kill();
  local.child.kill();
  bench.report({
    name: "from the node's kernel event to the router's, p50",
    value: quantile(
      far.map((ms, i) => ms - near[i]!),
      0.5,
    ),
    unit: "ms",
  });
  for (const [name, q] of [
    ["p50", 0.5],
    ["p99", 0.99],
  ] as const)
    bench.report({
      name: `kernel route on a node -> changed route in the router, ${name}`,
      value: quantile(far, q),
      unit: "ms",
      floor: { name: "the same route seen by a monitor on the node itself", value: quantile(near, q) },
    });
};
