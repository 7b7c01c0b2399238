import type { Announcement } from "./announcement.ts";
import { Hearing, type ListenerComponents } from "./hearing.ts";
import type { ListenOptions } from "./listen-options.ts";

/** Hears announcements. Real: `createAnnouncementListener`; in memory: `@fairlead/garp/fake`. */
export interface AnnouncementListener {
  /**
   * Resolves at the first announcement and hears no more. It listens when this call returns: a frame sent afterwards is not missed, unless opening
   * failed at first (see `onProblem`). Rejects with `GarpError` `LinkMissing` or `Invalid`, or the signal's reason.
   */
  listen(options: ListenOptions): Promise<Announcement>;
}

/** The real listener. */
export function createAnnouncementListener(components: ListenerComponents = {}): AnnouncementListener {
  return {
    listen: (options) =>
      new Promise((resolve, reject) => {
        const hearing = new Hearing(
          options,
          {
            heard(announcement) {
              hearing.stop();
              resolve(announcement);
            },
            failed: reject,
          },
          components,
        );
        hearing.start();
      }),
  };
}

/** `listen` of the real listener. */
export const listen: AnnouncementListener["listen"] = createAnnouncementListener().listen;

/**
 * Every announcement, in order, for watching and measuring; a migration wants only the first. Listens from the first `next()` on. Ends at the signal or at
 * `break`; throws `GarpError` as `listen` does.
 */
export async function* announcements(
  options: ListenOptions,
  components: ListenerComponents = {},
): AsyncGenerator<Announcement> {
  const waiting: Announcement[] = [];
  let arrived = signalled();
  const hearing = new Hearing(
    options,
    {
      heard(announcement) {
        waiting.push(announcement);
        arrived.resolve();
      },
      failed: (reason) => arrived.reject(reason),
    },
    components,
  );
  hearing.start();
  try {
    for (;;) {
      await arrived.promise;
      arrived = signalled();
      yield* waiting.splice(0);
    }
  } catch (error) {
    if (options.signal === undefined || error !== options.signal.reason) throw error;
  } finally {
    hearing.stop();
  }
}

/** A promise that may fail while nobody waits for it. */
function signalled(): PromiseWithResolvers<void> {
  const resolvers = Promise.withResolvers<void>();
  resolvers.promise.catch(() => {});
  return resolvers;
}
