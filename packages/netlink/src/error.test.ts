import { expect, test } from "vitest";
import { adviceFor, capabilityAdvice } from "./advice.ts";
import { errnoName, systemError } from "./errno.ts";
import { NetlinkError } from "./error.ts";

test.each([
  [17, "EEXIST", "AlreadyExists"],
  [3, "ESRCH", "NotFound"],
  [19, "ENODEV", "NoDevice"],
  [100, "ENETDOWN", "NetworkDown"],
  [101, "ENETUNREACH", "Unreachable"],
  [1, "EPERM", "Denied"],
  [95, "EOPNOTSUPP", "Unsupported"],
  [22, "EINVAL", "Invalid"],
  [105, "ENOBUFS", "Overrun"],
  [11, "EAGAIN", "Timeout"],
  [9999, "errno 9999", "Other"],
] as const)("errno %i is %s and means %s", (number, name, code) => {
  expect(errnoName(number)).toBe(name);
  expect(systemError(number, "test")).toMatchObject({ errno: name, code });
});

test("a message says what was tried on what, why it failed, and what to do", () => {
  const error = systemError(1, "add route", "10.0.0.1/32 dev 7", { detail: "no", advice: "Run as root" });
  expect(error.message).toMatchInlineSnapshot(`"add route 10.0.0.1/32 dev 7: EPERM: no. Run as root"`);
});

test("an error of another copy of the package is recognised, another error is not", () => {
  const foreign = Object.assign(new Error("x"), { [Symbol.for("@fairlead/netlink.NetlinkError")]: true });
  expect(NetlinkError.is(foreign)).toBe(true);
  expect(NetlinkError.is(new NetlinkError({ code: "Other", operation: "x" }))).toBe(true);
  for (const other of [new Error("x"), null, undefined, "x"]) expect(NetlinkError.is(other)).toBe(false);
});

test("who lacks a capability is told so, who has it elsewhere too", () => {
  const with12 = () => "Name:\tnode\nCapEff:\t0000000000001000\n";
  const without = () => "Name:\tnode\nCapEff:\t0000000000002000\n";
  expect(capabilityAdvice("CAP_NET_ADMIN", without)).toContain("lacks CAP_NET_ADMIN");
  expect(capabilityAdvice("CAP_NET_ADMIN", with12)).toContain("another user namespace");
  expect(capabilityAdvice("CAP_NET_RAW", without)).toContain("another user namespace");
  expect(adviceFor(1, "add route", without)).toContain("CAP_NET_ADMIN");
});

test("a link type the kernel lacks is named", () => {
  expect(adviceFor(95, "add dummy")).toContain("modprobe dummy");
  expect(adviceFor(17, "add dummy")).toBeUndefined();
});
