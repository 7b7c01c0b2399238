import type { IPPool } from "@fairlead/ipam";
import { expect, it } from "vitest";
import { familiesOf } from "./pool-families.ts";

const four = { cidr: "10.0.0.0/16" };
const six = { cidr: "fd00::/64" };
const pool = (spec: object, metadata: object = {}) =>
  ({ metadata: { name: "p", ...metadata }, spec }) as IPPool;

it.each<[string, readonly IPPool[], readonly number[]]>([
  ["none without pools", [], []],
  ["IPv4", [pool(four)], [4]],
  ["IPv6", [pool(six)], [6]],
  ["both", [pool(four), pool(six)], [4, 6]],
  [
    "both although one selects no node of today",
    [pool(four), pool({ ...six, nodeSelector: "x == 'y'" })],
    [4, 6],
  ],
  ["not that of a disabled pool", [pool(four), pool({ ...six, disabled: true })], [4]],
  [
    "not that of a pool that is being deleted",
    [pool(four), pool(six, { deletionTimestamp: "2026-01-01T00:00:00Z" })],
    [4],
  ],
  ["not that of a pool that must be named", [pool(four), pool({ ...six, assignmentMode: "Manual" })], [4]],
  [
    "not that of a pool for load balancers",
    [pool(four), pool({ ...six, allowedUses: ["LoadBalancer"] })],
    [4],
  ],
  ["not that of a pool that makes no sense", [pool(four), pool({ cidr: "fd00::1/64" })], [4]],
])("pods get by themselves: %s", (_what, pools, families) =>
  expect([...familiesOf(pools)]).toEqual(families),
);
