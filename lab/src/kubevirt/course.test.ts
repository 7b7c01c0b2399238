import fc from "fast-check";
import { expect, test } from "vitest";
import { courseOf } from "./course.ts";

test("a seed draws the same course again, and another seed another one", () => {
  expect(courseOf("a")).toEqual(courseOf("a"));
  expect(courseOf("a")).not.toEqual(courseOf("b"));
});

test("every course lies within what was seen of KubeVirt", () => {
  fc.assert(
    fc.property(fc.string(), (seed) => {
      const course = courseOf(seed);
      const within = (value: number, first: number, last: number) => value >= first && value <= last;
      expect(within(course.activePodsMs, 0, 1_300)).toBe(true);
      expect(within(course.startReportMs, 0, 2_000)).toBe(true);
      expect(within(course.ackMs, 300, 1_800)).toBe(true);
      expect(within(course.podReadyMs, 1_000, 3_000)).toBe(true);
      expect(within(course.notReadyMs, 100, 2_000)).toBe(true);
      expect(within(course.migratedEvents, 2, 6)).toBe(true);
      expect(within(course.sourceEndMs, 8_000, 9_500)).toBe(true);
      expect(within(course.bereavedMs, 45_000, 57_000)).toBe(true);
    }),
  );
});

test("seeds reach both sides of a choice and both ends of a range", () => {
  const courses = Array.from({ length: 200 }, (_, seed) => courseOf(String(seed)));
  expect(new Set(courses.map(({ podBeforeVmi }) => podBeforeVmi))).toEqual(new Set([true, false]));
  expect(new Set(courses.map(({ forgetsMac }) => forgetsMac))).toEqual(new Set([true, false]));
  expect(new Set(courses.map(({ migratedEvents }) => migratedEvents))).toEqual(new Set([2, 3, 4, 5, 6]));
});

test("what is given is not drawn, and changes nothing else", () => {
  expect(courseOf("a", { sourceEndMs: 0, forgetsMac: true })).toEqual({
    ...courseOf("a"),
    sourceEndMs: 0,
    forgetsMac: true,
  });
});
