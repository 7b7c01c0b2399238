import { BgpError, type Bird } from "@fairlead/bgp";
import type { KernelRoute, NodeKernel } from "./kernel.fixture.ts";
import type { SimulatedProcess } from "./process.fixture.ts";
import { between, nobody, type Random, type VirtualTime } from "./virtual-time.fixture.ts";

interface Speaker {
  readonly kernel: NodeKernel;
  /** What the others have heard of it. */
  heard: readonly KernelRoute[];
  lastArrival: number;
}

/** Metrics below this are elevated. */
const normalMetric = 1024;

/** BGP between the nodes: each announces what its kernel has, and hears of the others' a little later. */
export class Routers {
  readonly #time: VirtualTime;
  readonly #random: Random;
  readonly #speakers = new Map<string, Speaker>();
  /** Nodes whose BIRD does not answer, and until when. */
  readonly #silentUntil = new Map<string, number>();

  constructor(time: VirtualTime, random: Random) {
    this.#time = time;
    this.#random = random;
  }

  join(name: string, kernel: NodeKernel): void {
    const speaker: Speaker = { kernel, heard: [], lastArrival: 0 };
    this.#speakers.set(name, speaker);
    kernel.socket.subscribe(["route", "link"], () => this.#announce(speaker));
  }

  /** The BIRD of a node answers nothing for a while; what it announces stays. */
  silence(name: string, milliseconds: number): void {
    this.#silentUntil.set(name, this.#time.now + milliseconds);
  }

  isSilent(name: string): boolean {
    return this.#time.now < (this.#silentUntil.get(name) ?? 0);
  }

  #announce(speaker: Speaker): void {
    const soonest = this.#time.now + between(this.#random, 2, 300);
    speaker.lastArrival = Math.max(soonest, speaker.lastArrival);
    this.#time.after(
      speaker.lastArrival - this.#time.now,
      () => {
        speaker.heard = speaker.kernel.routes;
      },
      nobody,
    );
  }

  /** What a process of a node is told by the BIRD beside it. */
  bird(name: string, process: SimulatedProcess): Pick<Bird, "apply" | "routesElsewhere"> {
    return {
      apply: async () => "unchanged",
      routesElsewhere: (destinations) =>
        new Promise((resolve, reject) => {
          this.#time.after(
            between(this.#random, 0.5, 20),
            () => {
              if (this.isSilent(name)) reject(new BgpError("Unreachable", "BIRD does not run"));
              else resolve(destinations.flatMap((destination) => this.#elsewhere(name, destination)));
            },
            process,
          );
        }),
    };
  }

  #elsewhere(name: string, destination: string) {
    const address = destination.replace(/\/.*/, "");
    return [...this.#speakers.keys()]
      .filter((other) => other !== name)
      .flatMap((other) =>
        this.#announced(other, address).map((metric) => ({ destination, metric, protocol: other })),
      );
  }

  /** A BIRD keeps a normal route to itself as long as it hears an elevated one. */
  #announced(name: string, address: string): readonly number[] {
    const metricsOf = (one: string) =>
      (this.#speakers.get(one)?.heard ?? [])
        .filter((route) => route.address === address)
        .map(({ metric }) => metric);
    const others = [...this.#speakers.keys()].filter((other) => other !== name).flatMap(metricsOf);
    const hearsElevated = others.some((metric) => metric < normalMetric);
    return metricsOf(name).filter((metric) => metric < normalMetric || !hearsElevated);
  }
}
