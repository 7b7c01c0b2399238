/**
 * Hears a migrated guest announce itself on the host-side veth of its new pod.
 *
 * @packageDocumentation
 */
export type { Announcement, AnnouncementKind } from "./announcement.ts";
export { type Classification, classify, type Expectation, type Refusal } from "./classify.ts";
export { GarpError, type GarpErrorCode } from "./error.ts";
export { announcementFilter } from "./filter.ts";
export type { ListenerComponents } from "./hearing.ts";
export {
  type AnnouncementListener,
  announcements,
  createAnnouncementListener,
  listen,
} from "./listen.ts";
export type { ListenOptions } from "./listen-options.ts";
