import type { Attachment } from "@fairlead/cni";
import type { Timer } from "./clock.ts";
import {
  advance,
  type Consequences,
  consequences,
  initialRecord,
  type MigrationIdentity,
  type MigrationInput,
  type MigrationRecord,
  restoreRecord,
} from "./migration.ts";
import type { Announcement, Listening, MigrationComponents, Rivalry } from "./migration-components.ts";

/** How often an endpoint with elevated routes looks for rivals, milliseconds. */
const lookEvery = 5_000;

interface Follower {
  attachment: Attachment;
  record: MigrationRecord;
  /** Of the routes as they are elevated, or will be by the ear. */
  rank: number;
  ear?: Listening;
  /** Until the next look for rivals. */
  timer?: Timer;
  /** A look is under way; `again`: things have changed since it began. */
  look?: { again: boolean };
  /** When the routes were elevated, for `reverted`. */
  elevatedAt?: number;
}

export interface Migrations {
  /** Begins to follow an endpoint that ADD has just made, or goes on with one that is followed. */
  follow(attachment: Attachment, target?: MigrationIdentity): void;
  /** Takes an endpoint up again that an earlier run left, from the kernel's routes and what is remembered. */
  resume(attachment: Attachment, target?: MigrationIdentity): void;
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
    const { rank } = follower;
    if (is.routes !== was.routes)
      routes.set(follower.attachment, is.routes, { rank, at: announcement?.elevatedAt });
    if (announcement) {
      const { kind, mac, at, elevatedAt = process.hrtime.bigint() } = announcement;
      components.onElevated?.(Number(elevatedAt - at) / 1e9);
      timeline.record({ event: "announcement", endpoint: nameOf(follower.attachment), kind, mac, at });
    }
    settle(follower, is);
    if (record.state !== before.state) note(follower, before, input.type);
  }

  /** Stops the ear, if there is one. */
  function silence(follower: Follower): Announcement | undefined {
    const heard = follower.ear?.stop();
    delete follower.ear;
    return heard;
  }

  /** Brings ear, memory and the look for rivals in line with the state. Safe to repeat. */
  function settle(follower: Follower, is: Consequences): void {
    const { attachment, record } = follower;
    follower.timer?.cancel();
    delete follower.timer;
    if (!is.listens) silence(follower);
    else if (!follower.ear) listen(follower);
    memory.save(attachment, record);
    if (is.listens || is.routes === "elevated") look(follower);
    else follower.rank = 0;
  }

  function listen(follower: Follower): void {
    const { attachment, record, rank } = follower;
    const { epoch } = record;
    follower.ear = components.ear.listen(attachment, rank, (heard) =>
      move(follower, { type: "Heard", epoch }, heard),
    );
  }

  /** Listens anew. Whoever was heard before that came first, and to routes as they were planned then. */
  function relisten(follower: Follower, rank = follower.rank): void {
    const { epoch } = follower.record;
    const heard = silence(follower);
    if (heard) move(follower, { type: "Heard", epoch }, heard);
    else {
      follower.rank = rank;
      listen(follower);
    }
  }

  /** Looks for rivals: before the guest comes, so that nothing has to be asked when it does, and as long as routes are elevated. */
  async function look(follower: Follower): Promise<void> {
    if (follower.look) {
      follower.look.again = true;
      return;
    }
    const mine = { again: false };
    follower.look = mine;
    const rivalry = await components.rivals.look(follower.attachment);
    delete follower.look;
    // The endpoint may be another one by now, or gone; or what was asked was asked too early.
    if (followers.get(keyOf(follower.attachment)) !== follower) return;
    if (mine.again) look(follower);
    else weigh(follower, rivalry);
  }

  /** Draws the consequences, in whatever state the endpoint is by now. */
  function weigh(follower: Follower, { rank, isPresent }: Rivalry): void {
    const { attachment, record } = follower;
    const is = consequences[record.state];
    if (is.listens && rank !== follower.rank) relisten(follower, rank);
    else if (is.routes === "elevated") {
      // Better routes stay better: to take one back would lead traffic to whoever has what is now the best.
      if (rank > follower.rank) {
        follower.rank = rank;
        routes.set(attachment, "elevated", { rank });
      }
      const left = (record.until ?? Number.POSITIVE_INFINITY) - clock.now();
      follower.timer?.cancel();
      if (left <= 0 && !isPresent) move(follower, { type: "Settled", epoch: record.epoch });
      else
        follower.timer = clock.after(left > 0 ? Math.min(left, lookEvery) : lookEvery, () => look(follower));
    }
  }

  /** Who owns the VM's addresses follows from what the API says, not from what is remembered. */
  function own({ attachment }: Follower, input: MigrationInput): void {
    switch (input.type) {
      case "Arrived":
      case "Leaving":
        if (input.claim) promoter.promote(attachment, input.claim);
        return;
      case "Expected":
      case "Named":
      case "Switched":
      case "Elsewhere":
        promoter.stop(attachment);
    }
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
    if (follower?.ear && !follower.ear.isCurrent(follower.attachment)) relisten(follower);
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

  function begin(attachment: Attachment, record: MigrationRecord): void {
    const known = followers.get(keyOf(attachment));
    if (known) stop(known);
    const is = consequences[record.state];
    const rank = is.routes === "elevated" ? routes.rankOf(attachment) : 0;
    const follower: Follower = { attachment, record, rank };
    followers.set(keyOf(attachment), follower);
    routes.set(attachment, is.routes, { rank });
    if (is.routes === "elevated") follower.elevatedAt = clock.now();
    settle(follower, is);
    components.onState(attachment, record, "Start");
  }

  return {
    follow(attachment, target) {
      const known = followers.get(keyOf(attachment));
      if (known?.attachment.containerId !== attachment.containerId)
        return begin(attachment, initialRecord(target));
      known.attachment = attachment;
      routes.set(attachment, consequences[known.record.state].routes, { rank: known.rank });
      refresh(known);
    },
    resume(attachment, target) {
      const kernel = routes.read(attachment);
      // Where there is no guest that could be elsewhere, nothing has to be found out.
      const record = attachment.vm
        ? restoreRecord(memory.load(attachment), kernel, target, options())
        : initialRecord();
      begin(attachment, record);
    },
    tell(attachment, input) {
      const follower = followers.get(keyOf(attachment));
      if (!follower) return;
      move(follower, input);
      own(follower, input);
      // What others announce may have changed with what is told; the guest may come any moment.
      if (consequences[follower.record.state].listens) look(follower);
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
