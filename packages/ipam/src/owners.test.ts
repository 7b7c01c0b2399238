import { expect, test } from "vitest";
import { Testbed } from "./testbed.ts";

const p = (pod: string) => ({ pod, namespace: "n", node: "x" });
async function prepared() {
  const ipam = new Testbed().boot();
  await ipam.assign({ address: "10.0.0.5", handle: "h", node: "node-1" });
  const set = (change: Omit<Parameters<typeof ipam.owners.set>[0], "address" | "handle">) =>
    ipam.owners.set({ address: "10.0.0.5", handle: "h", ...change });
  const get = async () => {
    const { active, alternate } = await ipam.owners.get("10.0.0.5");
    return [active?.pod ?? null, alternate?.pod ?? null];
  };
  return { ipam, set, get };
}

test("each side is set, overwritten and cleared without touching the other", async () => {
  const { set, get } = await prepared();
  await set({ active: p("a") });
  await set({ alternate: p("b") });
  expect(await get()).toEqual(["a", "b"]);
  await set({ active: p("b"), alternate: p("a") });
  expect(await get()).toEqual(["b", "a"]);
  await set({ alternate: null });
  expect(await get()).toEqual(["b", null]);
  await set({ active: null });
  expect(await get()).toEqual([null, null]);
  await set({ active: p("a"), alternate: p("b") });
  await set({ active: null, alternate: null });
  expect(await get()).toEqual([null, null]);
});

test("a whole migration: active, alternate, the swap that expects both, and the source cleared", async () => {
  const { set, get } = await prepared();
  const source = { name: "source", namespace: "n" };
  const target = { name: "target", namespace: "n" };
  await set({ active: p("source"), expect: { active: null } });
  await set({ alternate: p("target"), expect: { alternate: null } });
  const swap = { active: p("target"), alternate: p("source") };
  const late = set({ ...swap, expect: { active: target, alternate: target } });
  await expect(late).rejects.toMatchObject({ code: "OwnerConflict" });
  expect(await get()).toEqual(["source", "target"]);
  await set({ ...swap, expect: { active: source, alternate: target } });
  expect(await get()).toEqual(["target", "source"]);
  await set({ alternate: null, expect: { alternate: source } });
  expect(await get()).toEqual(["target", null]);
});

test.each([
  ["active", { name: "a", namespace: "n" }, null],
  [
    "active",
    { name: "x", namespace: "n" },
    "cannot set ActiveOwnerAttrs: expected pod=x namespace=n but found pod=a namespace=n",
  ],
  ["active", null, "cannot set ActiveOwnerAttrs: expected empty but found pod=a namespace=n"],
  ["alternate", null, null],
  [
    "alternate",
    { name: "x", namespace: "n" },
    "cannot set AlternateOwnerAttrs: expected pod=x namespace=n but found empty",
  ],
] as const)("precondition on %s: %j", async (side, expected, refusal) => {
  const { set } = await prepared();
  await set({ active: p("a") });
  const call = set({ [side]: p("c"), expect: { [side]: expected } });
  if (refusal) await expect(call).rejects.toThrow(refusal);
  else await call;
});

test("a precondition of a side that is not changed does not matter", async () => {
  const { set, get } = await prepared();
  await set({ alternate: p("b"), expect: { active: { name: "nobody", namespace: "n" } } });
  expect(await get()).toEqual([null, "b"]);
});

test("the wrong handle, a free address and a resting one are refused", async () => {
  const { ipam } = await prepared();
  const set = (address: string, handle: string) => ipam.owners.set({ address, handle, active: null });
  await expect(set("10.0.0.5", "other")).rejects.toThrow("is not assigned to handle other");
  await expect(set("10.0.0.6", "h")).rejects.toMatchObject({ code: "NotAllocated" });
  await ipam.configure({ ipCooldownSeconds: 60 });
  await ipam.release([{ address: "10.0.0.5" }]);
  await expect(set("10.0.0.5", "h")).rejects.toMatchObject({ code: "AddressCoolingDown" });
});
