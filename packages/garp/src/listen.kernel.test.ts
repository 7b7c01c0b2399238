import { readdirSync } from "node:fs";
import { monotonicNow, NetworkNamespace, PacketSocket, RouteSocket } from "@fairlead/netlink";
import { expect, test } from "vitest";
import { buildRarp } from "./build.ts";
import { type ListenHarness, listenCases } from "./listen.cases.ts";
import { createAnnouncementListener } from "./listen.ts";

/** A host-side veth and a guest at its other end. */
function wire(): ListenHarness & Disposable & { readonly route: RouteSocket } {
  const netns = NetworkNamespace.create();
  const pod = NetworkNamespace.create();
  const route = RouteSocket.open({ netns });
  const { index } = route.links.add({
    kind: "veth",
    name: "cali0",
    up: true,
    peer: { name: "eth0", netns: pod, up: true },
  });
  using inside = RouteSocket.open({ netns: pod });
  const guest = PacketSocket.open({ netns: pod, linkIndex: inside.links.get("eth0")!.index });
  return {
    listener: createAnnouncementListener(),
    link: { netns, linkIndex: index },
    route,
    send: (frame) => guest.send(frame),
    removeLink: () => route.links.delete(index),
    [Symbol.dispose]() {
      guest.close();
      route.close();
      netns.close();
      pod.close();
    },
  };
}

const mac = "02:00:00:00:00:01";
const expected = { mac, addresses: ["10.0.0.5"] };

test.each(listenCases)("kernel: $name", async ({ run }) => {
  using harness = wire();
  await run(harness);
});

test("the time is when the kernel had the frame", async () => {
  using harness = wire();
  const heard = harness.listener.listen({ ...harness.link, ...expected });
  const before = monotonicNow();
  harness.send(buildRarp(mac));
  const after = monotonicNow();
  const { at } = await heard;
  // Two clocks are read one after the other: allow a millisecond.
  expect(at).toBeGreaterThan(before - 1_000_000n);
  expect(at).toBeLessThan(after + 1_000_000n);
});

test("what the host itself sends out of the link is not an announcement", async () => {
  using harness = wire();
  const controller = new AbortController();
  const heard = harness.listener.listen({ ...harness.link, ...expected, signal: controller.signal });
  using host = PacketSocket.open({ ...harness.link });
  host.send(buildRarp(mac));
  harness.send(buildRarp("02:00:00:00:00:99"));
  await new Promise((resolve) => setImmediate(resolve));
  controller.abort(new Error("heard nothing"));
  await expect(heard).rejects.toThrow("heard nothing");
});

test("a link that goes down and up again is still listened to, one deleted while down is missing", async () => {
  using harness = wire();
  const { netns, linkIndex } = harness.link;
  const down = Promise.withResolvers<void>();
  const heard = harness.listener.listen({
    netns: netns!,
    linkIndex,
    ...expected,
    onProblem: () => down.resolve(),
  });
  harness.route.links.set(linkIndex, { up: false });
  await down.promise;
  harness.route.links.set(linkIndex, { up: true });
  harness.send(buildRarp(mac));
  expect((await heard).kind).toBe("rarp");
  const again = Promise.withResolvers<void>();
  const missing = harness.listener.listen({
    netns: netns!,
    linkIndex,
    ...expected,
    onProblem: () => again.resolve(),
  });
  harness.route.links.set(linkIndex, { up: false });
  await again.promise;
  harness.removeLink();
  await expect(missing).rejects.toMatchObject({ code: "LinkMissing" });
});

test("listening and giving up many times leaves no descriptor open", async () => {
  using harness = wire();
  const once = async () => {
    const controller = new AbortController();
    const heard = harness.listener.listen({ ...harness.link, ...expected, signal: controller.signal });
    controller.abort(new Error("over"));
    await expect(heard).rejects.toThrow("over");
  };
  await once();
  const before = readdirSync("/proc/self/fd").length;
  for (let i = 0; i < 50; i++) await once();
  // They are closed off the main thread.
  await expect.poll(() => readdirSync("/proc/self/fd").length).toBeLessThanOrEqual(before);
});
