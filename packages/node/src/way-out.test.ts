import { EventEmitter } from "node:events";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { abortWhenTold, patience } from "./way-out.ts";

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

function scene() {
  const exit = vi.fn();
  const onLate = vi.fn();
  const told = Object.assign(new EventEmitter(), { exit });
  return { told, exit, onLate, signal: abortWhenTold(told, onLate) };
}

it.each(["SIGTERM", "SIGINT"] as const)("%s lets what is under way finish", (name) => {
  const { told, exit, signal } = scene();
  expect(signal.aborted).toBe(false);
  told.emit(name);
  expect(signal.aborted).toBe(true);
  vi.advanceTimersByTime(patience - 1);
  expect(exit).not.toHaveBeenCalled();
});

it("what does not finish is left, and it is said", () => {
  const { told, exit, onLate } = scene();
  told.emit("SIGTERM");
  vi.advanceTimersByTime(patience);
  expect(onLate).toHaveBeenCalledOnce();
  expect(exit).toHaveBeenCalledExactlyOnceWith(1);
});

it("a kubelet waits longer than the agent does", () => {
  const manifest = readFileSync(join(import.meta.dirname, "../../../deploy/40-node.yaml"), "utf8");
  const seconds = Number(/terminationGracePeriodSeconds: (\d+)/.exec(manifest)?.[1]);
  expect(seconds * 1000).toBeGreaterThan(patience);
});
