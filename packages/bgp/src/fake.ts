import type { Bird } from "./bird.ts";
import { BgpError } from "./error.ts";
import { destinationsOf, elsewhere } from "./routes-elsewhere.ts";
import type { BirdStatus, RouteEntry } from "./status.ts";

/** A BIRD that remembers what it was told. */
export interface FakeBird extends Bird {
  /** Configurations in force, oldest first. */
  readonly applied: readonly string[];
  /** Stops and starts the pretended process. Stopped, `apply` only writes and `status` throws `Unreachable`. */
  running: boolean;
  /** BIRD has just started: its neighbours have not told it everything yet. */
  recovering: boolean;
  /** The configuration the file holds. */
  readonly file: string | undefined;
  /** When set, `apply` throws this `Rejected` message. */
  rejection: string | undefined;
  /** What `routes` and `routesElsewhere` answer from. */
  table: readonly RouteEntry[];
}

/** An in-memory {@link Bird} for tests of what stands above it. */
export function createFakeBird(): FakeBird {
  const applied: string[] = [];
  let running = true;
  let file: string | undefined;
  const need = () => {
    if (!running) throw new BgpError("Unreachable", "the fake BIRD does not run; set running = true");
  };
  return {
    applied,
    rejection: undefined,
    recovering: false,
    table: [],
    get file() {
      return file;
    },
    get running() {
      return running;
    },
    set running(value) {
      running = value;
      // BIRD starts with what the file says.
      if (value && file !== undefined) applied.push(file);
    },
    async apply(configuration, signal) {
      signal?.throwIfAborted();
      if (running && this.rejection !== undefined)
        throw new BgpError("Rejected", this.rejection, { position: { line: 1 } });
      file = configuration;
      if (!running) return "written";
      if (applied.at(-1) === configuration) return "unchanged";
      applied.push(configuration);
      return "applied";
    },
    async status(): Promise<BirdStatus> {
      need();
      return {
        version: "2.0.12",
        routerId: "192.0.2.1",
        state: this.recovering ? "recovering" : "running",
        protocols: [],
      };
    },
    async routes(network) {
      need();
      return this.table.filter((route) => network === undefined || route.network === network);
    },
    async routesElsewhere(destinations, signal) {
      signal?.throwIfAborted();
      const asked = destinationsOf(destinations);
      if (asked.length > 0) need();
      if (asked.length > 0 && this.recovering)
        throw new BgpError("Recovering", "the fake BIRD recovers; set recovering = false");
      return asked.flatMap((destination) =>
        elsewhere(
          destination,
          this.table.filter(({ network }) => network === destination.network),
        ),
      );
    },
    close() {},
  };
}
