import { expect, test } from "vitest";
import { isNetwork } from "./check.ts";

test.each([
  "10.0.0.0/8",
  "0.0.0.0/0",
  "192.0.2.1/32",
  "::/0",
  "fd00::/128",
  "FD00::/64",
  "::ffff:192.0.2.0/120",
])("%s is a network", (text) => expect(isNetwork(text)).toBe(true));

test.each([
  "10.0.0.0/33",
  "10.0.0/8",
  "010.0.0.0/8",
  "10.0.0.0",
  "/8",
  "10.0.0.0/",
  "10.0.0.0/+8",
  "fd00::/129",
  "fe80::%eth0/64",
  7,
])("%s is no network", (text) => expect(isNetwork(text)).toBe(false));
