import type { Link, LinkFilter } from "./link.ts";

/** Whether a link is one of those asked for. */
export const matchesLink = (link: Link, filter: LinkFilter): boolean =>
  (filter.kind === undefined || filter.kind === link.kind) &&
  (filter.master === undefined || filter.master === link.master) &&
  (filter.group === undefined || filter.group === link.group);
