import type { Attachment } from "@fairlead/cni";
import type { Clock, Timer } from "./clock.ts";
import {
  advance,
  type Consequences,
  consequences,
  type MigrationIdentity,
  type MigrationInput,
  type MigrationRecord,
  type RoutePriority,
  restoreRecord,
} from "./migration.ts";
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

/** Host routes of endpoints. Both families change in one kernel batch, before the call returns. */
export interface EndpointRoutes {
  /** `at`: when the kernel acknowledged these routes to somebody else; default: now. */
  set(attachment: Attachment, priority: RoutePriority, at?: bigint): void;
  /** The priority of the routes the kernel has now. */
  read(attachment: Attachment): RoutePriority;
  /** The endpoint is gone. */
  remove(attachment: Attachment): void;
}

/** Hears one announcement of the endpoint's guest. */
export interface Ear {
  /** `onHeard` is called at most once, and not after `stop`. By then the routes may be elevated already: see `elevatedAt`. */
  listen(attachment: Attachment, onHeard: (announcement: Announcement) => void): Listening;
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

interface Follower {
  attachment: Attachment;
  record: MigrationRecord;
  ear?: Listening;
  timer?: Timer;
  /** When the routes were elevated, for `reverted`. */
  elevatedAt?: number;
}

export interface Migrations {
  /** Begins to follow an endpoint whose interface exists; also how each endpoint is taken up again after a restart. */
  follow(attachment: Attachment, target?: MigrationIdentity): void;
  /** Tells what the API says of the endpoint's guest. */
  tell(attachment: Attachment, input: MigrationInput): void;
  /** What is known of the endpoint's guest has changed. */
  refresh(attachment: Attachment): void;
  /** Settled when the endpoint's announcement, if one is waited for, cannot be missed. */
  listening(attachment: Attachment): Promise<void>;
  /** Takes in what was heard meanwhile. */
  hear(): void;
  /** Ends following and removes the routes. */
  drop(attachment: Attachment): void;
  recordOf(attachment: Attachment): MigrationRecord | undefined;
  list(): readonly { readonly attachment: Attachment; readonly record: MigrationRecord }[];
  /** Stops ears, timers and promotions; routes stay. */
  close(): void;
}

/** Runs the migration machine of every endpoint of this node. */
export function createMigrations(components: MigrationComponents): Migrations {
  const { routes, promoter, memory, clock, timeline } = components;
  const followers = new Map<string, Follower>();
  const keyOf = ({ hostInterface }: Attachment) => hostInterface;
  const nameOf = ({ pod, ifName }: Attachment) => `${pod.namespace}/${pod.name}/${ifName}`;
  const options = () => ({ now: clock.now(), convergence: components.convergence() });

  /**
   * The one way a state changes. The route comes first and nothing is awaited before it. An ear elevates by itself, so it is stopped before
   * anything else moves its endpoint; a guest that it heard before came first.
   */
  function move(follower: Follower, input: MigrationInput, announcement?: Announcement): void {
    const changes = advance(follower.record, input, options()) !== follower.record;
    const heard = changes && !announcement ? silence(follower) : undefined;
    if (heard) move(follower, { type: "Heard", epoch: follower.record.epoch }, heard);
    const before = follower.record;
    const record = advance(before, input, options());
    if (record === before) return;
    follower.record = record;
    const was = consequences[before.state];
    const is = consequences[record.state];
    if (is.routes !== was.routes) routes.set(follower.attachment, is.routes, announcement?.elevatedAt);
    if (announcement) {
      const { kind, mac, at, elevatedAt = process.hrtime.bigint() } = announcement;
      components.onElevated?.(Number(elevatedAt - at) / 1e9);
      timeline.record({ event: "announcement", endpoint: nameOf(follower.attachment), kind, mac, at });
    }
    settle(follower, is);
    note(follower, before, input.type);
  }

  /** Stops the ear, if there is one. */
  function silence(follower: Follower): Announcement | undefined {
    const heard = follower.ear?.stop();
    delete follower.ear;
    return heard;
  }

  /** Brings ear, timer, memory and ownership in line with the state. Safe to repeat. */
  function settle(follower: Follower, is: Consequences): void {
    const { attachment, record } = follower;
    if (!is.listens) silence(follower);
    else if (!follower.ear) listen(follower);
    follower.timer?.cancel();
    delete follower.timer;
    if (record.until !== undefined) {
      const left = Math.max(0, record.until - clock.now());
      follower.timer = clock.after(left, () => move(follower, { type: "Settled", epoch: record.epoch }));
    }
    memory.save(attachment, record);
    if (is.owns && record.migration) promoter.promote(attachment, record.epoch);
    else if (record.state === "Away") promoter.stop(attachment);
  }

  function listen(follower: Follower): void {
    const { attachment, record } = follower;
    const { epoch } = record;
    follower.ear = components.ear.listen(attachment, (heard) =>
      move(follower, { type: "Heard", epoch }, heard),
    );
  }

  function note(follower: Follower, before: MigrationRecord, because: MigrationInput["type"]): void {
    const { attachment, record } = follower;
    const endpoint = nameOf(attachment);
    timeline.record({
      event: "state",
      endpoint,
      from: before.state,
      to: record.state,
      epoch: record.epoch,
      because,
    });
    const isElevated = consequences[record.state].routes === "elevated";
    if (isElevated) follower.elevatedAt ??= clock.now();
    else if (follower.elevatedAt !== undefined) {
      if (record.state === "Base")
        timeline.record({ event: "reverted", endpoint, afterMs: clock.now() - follower.elevatedAt });
      delete follower.elevatedAt;
    }
    components.onState(attachment, record, because);
  }

  function refresh(follower: Follower | undefined): void {
    if (!follower?.ear || follower.ear.isCurrent(follower.attachment)) return;
    const { epoch } = follower.record;
    const heard = silence(follower);
    if (heard) move(follower, { type: "Heard", epoch }, heard);
    else listen(follower);
  }

  function hear(follower: Follower): void {
    const heard = follower.ear?.read();
    if (heard) move(follower, { type: "Heard", epoch: follower.record.epoch }, heard);
  }

  function stop(follower: Follower): void {
    silence(follower);
    follower.timer?.cancel();
    promoter.stop(follower.attachment);
  }

  return {
    follow(attachment, target) {
      const known = followers.get(keyOf(attachment));
      if (known?.attachment.containerId === attachment.containerId) {
        known.attachment = attachment;
        routes.set(attachment, consequences[known.record.state].routes);
        return refresh(known);
      }
      if (known) stop(known);
      const record = restoreRecord(memory.load(attachment), routes.read(attachment), target, options());
      const follower: Follower = { attachment, record };
      followers.set(keyOf(attachment), follower);
      const is = consequences[record.state];
      routes.set(attachment, is.routes);
      if (is.routes === "elevated") follower.elevatedAt = clock.now();
      settle(follower, is);
      components.onState(attachment, record, "Start");
    },
    tell(attachment, input) {
      const follower = followers.get(keyOf(attachment));
      if (follower) move(follower, input);
    },
    refresh: (attachment) => refresh(followers.get(keyOf(attachment))),
    listening: async (attachment) => followers.get(keyOf(attachment))?.ear?.ready,
    hear() {
      for (const follower of followers.values()) hear(follower);
    },
    drop(attachment) {
      const follower = followers.get(keyOf(attachment));
      if (follower?.attachment.containerId !== attachment.containerId) return;
      stop(follower);
      followers.delete(keyOf(attachment));
      routes.remove(attachment);
      memory.forget(attachment);
    },
    recordOf: (attachment) => followers.get(keyOf(attachment))?.record,
    list: () => [...followers.values()],
    close() {
      for (const follower of followers.values()) stop(follower);
      followers.clear();
    },
  };
}
