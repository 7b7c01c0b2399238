import type { SimulatedNode } from "./node.fixture.ts";
import type { Random } from "./virtual-time.fixture.ts";

/** Something that happens once. */
export class Once {
  readonly #promise = Promise.withResolvers<void>();
  has = false;

  happen(): void {
    this.has = true;
    this.#promise.resolve();
  }

  get happened(): Promise<void> {
    return this.#promise.promise;
  }
}

/** One attempt of the runtime to run a pod. */
export interface Sandbox {
  readonly containerId: string;
  readonly netns: string;
  /** The namespace is there. */
  isAlive: boolean;
  /** DEL was asked for at least once: what it holds may go. */
  isGivenUp: boolean;
  /** DEL has succeeded, or will never come. */
  isGone: boolean;
}

/** How a runtime takes leave of sandboxes. */
export interface Farewell {
  /** Milliseconds from a sandbox's end to its DEL. */
  readonly delay: number;
  /** How often DEL comes again after it has succeeded. */
  readonly repeats: number;
  /** The DEL of a failed sandbox never comes. */
  readonly never: boolean;
  /** The object goes before the DEL. */
  readonly objectFirst: boolean;
}

export interface PodOptions {
  readonly name: string;
  readonly uid: string;
  /** The VMI whose launcher it is, by what identifies it in this world. */
  readonly instance?: string;
  /** It is the target of this migration. */
  readonly migrationUid?: string;
  readonly random: Random;
  readonly farewell: Farewell;
  /** So many of the first sandboxes are replaced although their ADD succeeded. */
  readonly lostSandboxes: number;
}

/** A pod as the world knows it, whatever the API server says. */
export class SimulatedPod {
  readonly options: PodOptions;
  readonly namespace = "default";
  node: SimulatedNode | undefined;
  readonly sandboxes: Sandbox[] = [];
  /** The sandbox its containers run in. */
  current: Sandbox | undefined;
  /** What the last ADD answered. */
  addresses: readonly string[] = [];
  readonly started = new Once();
  /** Its containers are to end, or have ended. */
  readonly ending = new Once();
  /** Nothing of it is left on the node. */
  readonly ended = new Once();
  /** The guest has run in it. */
  hadGuest = false;
  /** The guest announced itself from it, and the agent there was in a state to hear it. */
  isHeard = false;

  constructor(options: PodOptions) {
    this.options = options;
  }

  get name(): string {
    return this.options.name;
  }

  get uid(): string {
    return this.options.uid;
  }

  get ref() {
    return { namespace: this.namespace, name: this.name };
  }

  /** The host-side end of its interface now. */
  get hostInterface(): string | undefined {
    return this.current && this.node?.kernel.hostInterfaceOf(this.current.netns);
  }
}
