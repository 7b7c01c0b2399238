import type { Attachment } from "@fairlead/cni";
import type { Clock } from "./clock.ts";
import type { MigrationInput, MigrationRecord, RoutePriority } from "./migration.ts";
import type { Promoter } from "./promotion.ts";
import type { Timeline } from "./timeline.ts";

/** The guest was heard: how, by which MAC, and when (CLOCK_MONOTONIC, nanoseconds). */
export interface Announcement {
  readonly kind: "rarp" | "garp" | "na";
  readonly mac: string;
  readonly at: bigint;
  /** When the kernel acknowledged the elevated routes, if that has happened already. */
  readonly elevatedAt?: bigint;
}

/** How routes are set. */
export interface SetRoutesOptions {
  /** When the kernel acknowledged these routes to somebody else; default: now. */
  readonly at?: bigint | undefined;
  /** Of elevated routes, see `Rivalry`; default: 0. */
  readonly rank?: number;
}

/** Host routes of endpoints. Both families change in one kernel batch, before the call returns. */
export interface EndpointRoutes {
  set(attachment: Attachment, priority: RoutePriority, options?: SetRoutesOptions): void;
  /** The priority of the routes the kernel has now. */
  read(attachment: Attachment): RoutePriority;
  /** The rank of the elevated routes the kernel has now; 0 for others. */
  rankOf(attachment: Attachment): number;
  /** The endpoint is gone. */
  remove(attachment: Attachment): void;
}

/** Hears one announcement of the endpoint's guest. */
export interface Ear {
  /**
   * `onHeard` is called at most once, and not after `stop`. By then the routes may be elevated already, with this rank: see `elevatedAt`.
   */
  listen(attachment: Attachment, rank: number, onHeard: (announcement: Announcement) => void): Listening;
}

/** What other nodes do about an endpoint's addresses, as far as this one can know. */
export interface Rivalry {
  /** How much better than the first elevated metric ours has to be, to be better than all that others announce. */
  readonly rank: number;
  /** Another node may attract the guest's traffic once our routes have the normal priority; true, too, while nobody can tell. */
  readonly isPresent: boolean;
}

/** Knows them. */
export interface Rivals {
  /** Never rejects: whoever cannot tell says that there may be some, so that elevated routes stay until it is known. */
  look(attachment: Attachment): Promise<Rivalry>;
}

export interface Listening {
  /** Settled when nothing is missed from now on, or nothing can be heard. */
  readonly ready: Promise<void>;
  /** False when the guest's MAC or the interface turned out to be another one than is listened for. */
  isCurrent(attachment: Attachment): boolean;
  /** What was heard and not yet told. */
  read(): Announcement | undefined;
  /** Nothing is heard and no route is touched after this call. Returns what was heard before it. */
  stop(): Announcement | undefined;
}

/** Remembers records across restarts. A cache: what is lost is found again in the kernel and the API. */
export interface MigrationMemory {
  load(attachment: Attachment): MigrationRecord | undefined;
  save(attachment: Attachment, record: MigrationRecord): void;
  /** The guest's MAC as it was last known. */
  loadMac(attachment: Attachment): string | undefined;
  saveMac(attachment: Attachment, mac: string): void;
  /** Record and MAC. */
  forget(attachment: Attachment): void;
}

export interface MigrationComponents {
  readonly routes: EndpointRoutes;
  readonly ear: Ear;
  readonly rivals: Rivals;
  readonly promoter: Promoter;
  readonly memory: MigrationMemory;
  readonly clock: Clock;
  readonly timeline: Timeline;
  /** Milliseconds the elevated priority is kept. Read anew for each migration. */
  convergence(): number;
  /** Routes are already as they should be; policy, conditions and metrics follow here. */
  onState(attachment: Attachment, record: MigrationRecord, because: MigrationInput["type"] | "Start"): void;
  /** Seconds from the kernel's receipt of an announcement to its acknowledgement of the routes. */
  readonly onElevated?: (seconds: number) => void;
}
