import fc from "fast-check";
import { expect, it } from "vitest";
import { ReflexCell } from "./reflex-cell.ts";

const heard = { kind: "na", at: 17n } as const;

/** The same memory, as each thread sees it. */
function pair() {
  const main = new ReflexCell();
  return { main, thread: new ReflexCell(main.memory) };
}

it("tells what was heard and when the routes were done, also after stopping, as often as asked", () => {
  const { main, thread } = pair();
  expect(main.read()).toBeUndefined();
  expect(thread.claim(heard)).toBe(true);
  thread.complete(23n);
  const fired = { ...heard, acknowledgedAt: 23n };
  expect([main.read(), main.stop(), main.read()]).toEqual([fired, fired, fired]);
});

it("once stopped, nothing may be done any more", () => {
  const { main, thread } = pair();
  expect(main.stop()).toBeUndefined();
  expect(thread.claim(heard)).toBe(false);
  expect(main.read()).toBeUndefined();
});

it("when the thread ends between hearing and the kernel's answer, the guest was heard all the same", () => {
  const { main, thread } = pair();
  expect(main.abandon()).toBe(false);
  thread.claim(heard);
  expect(main.abandon()).toBe(true);
  expect(main.stop()).toEqual({ ...heard, acknowledgedAt: undefined });
});

it("whoever comes first, and however often, hearing and stopping never both succeed", () =>
  fc.assert(
    fc.property(fc.array(fc.constantFrom("claim", "stop"), { minLength: 1 }), (calls) => {
      const { main, thread } = pair();
      let claims = 0;
      for (const call of calls)
        if (call === "stop") main.stop();
        else if (thread.claim(heard)) {
          claims += 1;
          thread.complete(1n);
        }
      expect(claims).toBe(calls[0] === "claim" ? 1 : 0);
      expect(main.read() !== undefined).toBe(claims === 1);
    }),
  ));
