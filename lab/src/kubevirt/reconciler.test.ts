import { expect, test, vi } from "vitest";
import { startReconciler } from "./reconciler.ts";

/** A reconciler that notes what it looks at. */
function recording(reconcile: (key: string) => Promise<number | undefined> = async () => undefined) {
  const seen: string[] = [];
  const reconciler = startReconciler({
    name: "test",
    log: () => {},
    reconcile: (key) => {
      seen.push(key);
      return reconcile(key);
    },
  });
  return { seen, reconciler };
}

test("it looks at a key once, however often it was named before", async () => {
  const { seen, reconciler } = recording();
  for (const key of ["a", "b", "a"]) reconciler.enqueue(key);
  await vi.waitFor(() => expect(seen).toEqual(["a", "b"]));
  await reconciler.stop();
});

test("paused it looks at nothing, and afterwards at all that was named meanwhile", async () => {
  const underWay = Promise.withResolvers<undefined>();
  const { seen, reconciler } = recording((key) =>
    key === "first" ? underWay.promise : Promise.resolve(undefined),
  );
  reconciler.enqueue("first");
  await vi.waitFor(() => expect(seen).toEqual(["first"]));
  const [pause, another] = [reconciler.pause(), reconciler.pause()];
  reconciler.enqueue("second");
  underWay.resolve(undefined);
  pause[Symbol.dispose]();
  pause[Symbol.dispose]();
  await underWay.promise;
  await new Promise((resolve) => setImmediate(resolve));
  expect(seen).toEqual(["first"]);
  another[Symbol.dispose]();
  await vi.waitFor(() => expect(seen).toEqual(["first", "second"]));
  await reconciler.stop();
});

test("what fails is tried again, and its failure is said", async () => {
  const said: string[] = [];
  let tries = 0;
  const reconciler = startReconciler({
    name: "test",
    log: (message) => said.push(message),
    reconcile: async () => {
      tries++;
      if (tries === 1) throw new Error("no luck");
      return undefined;
    },
  });
  reconciler.enqueue("a");
  await vi.waitFor(() => expect(tries).toBe(2), { timeout: 10_000 });
  expect(said.join()).toMatch(/^test a: Error: no luck/);
  await reconciler.stop();
});
