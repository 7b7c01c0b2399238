import { expect, test } from "vitest";
import { Ages } from "./ages.ts";

test("things age from their first sight, each by itself, until they are forgotten", () => {
  let now = 100;
  const ages = new Ages(() => now);
  expect(ages.of("a/ack")).toBe(0);
  now = 130;
  expect(ages.of("a/ack")).toBe(30);
  expect(ages.of("ab/ack")).toBe(0);
  now = 150;
  ages.forget("a");
  expect(ages.of("a/ack")).toBe(0);
  expect(ages.of("ab/ack")).toBe(20);
});
