/** errno: names and what they mean for a caller. Numbers from asm-generic/errno-base.h and errno.h. */
import { constants } from "node:os";
import { NetlinkError, type NetlinkErrorCode } from "./error.ts";

const names = new Map<number, string>(Object.entries(constants.errno).map(([name, value]) => [value, name]));
// Linux numbers that Node.js does not know, and those to which it gives two names.
for (const [value, name] of [
  [6, "ENXIO"],
  [11, "EAGAIN"],
  [64, "ENONET"],
  [95, "EOPNOTSUPP"],
  [96, "EPFNOSUPPORT"],
  [94, "ESOCKTNOSUPPORT"],
  [112, "EHOSTDOWN"],
  [132, "ERFKILL"],
] as const) {
  names.set(value, name);
}

const codes: Readonly<Record<string, NetlinkErrorCode>> = {
  EEXIST: "AlreadyExists",
  ENOENT: "NotFound",
  ESRCH: "NotFound",
  EADDRNOTAVAIL: "NotFound",
  ENODEV: "NoDevice",
  ENXIO: "NoDevice",
  ENETDOWN: "NetworkDown",
  ENETUNREACH: "Unreachable",
  EHOSTUNREACH: "Unreachable",
  EPERM: "Denied",
  EACCES: "Denied",
  EOPNOTSUPP: "Unsupported",
  EAFNOSUPPORT: "Unsupported",
  EPROTONOSUPPORT: "Unsupported",
  ESOCKTNOSUPPORT: "Unsupported",
  EPFNOSUPPORT: "Unsupported",
  ENOSYS: "Unsupported",
  ENOPROTOOPT: "Unsupported",
  EINVAL: "Invalid",
  ERANGE: "Invalid",
  EMSGSIZE: "Invalid",
  EDESTADDRREQ: "Invalid",
  EBUSY: "Busy",
  ENOMEM: "Exhausted",
  EMFILE: "Exhausted",
  ENFILE: "Exhausted",
  ENOSPC: "Exhausted",
  ENOBUFS: "Overrun",
  EAGAIN: "Timeout",
  EBADF: "Closed",
};

/** `EEXIST` for 17; `errno 999` for a number without a name. */
export const errnoName = (number: number): string => names.get(number) ?? `errno ${number}`;

/** The error for an errno (positive number). */
export function systemError(
  number: number,
  operation: string,
  object?: string,
  more: { readonly detail?: string; readonly advice?: string | undefined; readonly cause?: unknown } = {},
): NetlinkError {
  const name = errnoName(number);
  return new NetlinkError({
    code: codes[name] ?? "Other",
    errno: name,
    operation,
    ...defined(object),
    ...more,
  });
}

const defined = (object: string | undefined) => (object === undefined ? {} : { object });
