import { describe, expect, it } from "vitest";
import { mayLockMemory, memoryArguments } from "./memory.ts";

const root = {
  effectiveCapabilities: "000001ffffffffff",
  uidMap: "         0          0 4294967295\n",
  lockLimit: "8388608",
};

describe("memory may be locked", () => {
  it.each([
    ["by root", root, true],
    ["not without CAP_IPC_LOCK", { ...root, effectiveCapabilities: "000001ffffffbfff" }, false],
    ["not by the root of a user namespace", { ...root, uidMap: "         0       1000          1\n" }, false],
    [
      "by anybody without a limit",
      { effectiveCapabilities: "0", uidMap: "0 1000 1\n", lockLimit: "unlimited" },
      true,
    ],
  ])("%s", (_, rights, expected) => {
    expect(mayLockMemory(rights)).toBe(expected);
  });

  it("answers for this process", () => {
    expect(typeof mayLockMemory()).toBe("boolean");
  });
});

describe("memory arguments", () => {
  it("lock what may be locked, and else have the guest's memory there from the beginning", () => {
    expect(memoryArguments(128, true).slice(2)).toEqual(["-overcommit", "mem-lock=on"]);
    expect(memoryArguments(128, false).slice(2)).toEqual(["-mem-prealloc"]);
  });
});
