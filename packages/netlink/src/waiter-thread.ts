/** The thread of `waiter.ts`: sleeps in epoll_wait, posts the numbers of what is readable, ends when the wake-up descriptor is. */
import { libc } from "./libc.ts";
import { report, threadData } from "./thread.ts";
import { EPOLL_EVENT, STOP } from "./waiter.ts";

const MOST = 64;
/** Milliseconds. Where somebody else terminates the owner, and this thread with it, that happens between two calls. */
const LONGEST_SLEEP = 1000;

const { epoll } = threadData<{ readonly epoll: number }>();
const events = Buffer.alloc(EPOLL_EVENT.size * MOST);

for (let running = true; running; ) {
  const count = libc().epoll_wait(epoll, events, MOST, LONGEST_SLEEP);
  if (count <= 0) continue;
  const ids: number[] = [];
  for (let i = 0; i < count; i++) ids.push(events.readUInt32LE(i * EPOLL_EVENT.size + EPOLL_EVENT.data));
  if (ids.includes(STOP)) running = false;
  else report(ids);
}
