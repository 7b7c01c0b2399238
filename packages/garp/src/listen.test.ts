import { NetlinkError } from "@fairlead/netlink";
import { expect, test } from "vitest";
import { buildGratuitousArp, buildRarp } from "./build.ts";
import type { GarpError } from "./error.ts";
import { createFakeAnnouncements } from "./fake.ts";
import { listenCases } from "./listen.cases.ts";
import { announcements, createAnnouncementListener } from "./listen.ts";

const mac = "02:00:00:00:00:01";
const options = { linkIndex: 7, mac, addresses: ["10.0.0.5"] };

test.each(listenCases)("fake: $name", async ({ run }) => {
  const fake = createFakeAnnouncements();
  await run({
    listener: fake,
    link: { linkIndex: 7 },
    send: (frame) => fake.deliver(7, frame),
    removeLink: () => fake.removeLink(7),
  });
  expect(fake.listeners(7)).toBe(0);
});

const denied = new NetlinkError({ code: "Denied", errno: "EPERM", operation: "open packet socket" });

test("opening is tried again with growing pauses, each failure is reported, and then it listens", async () => {
  const fake = createFakeAnnouncements();
  fake.failNextOpen(...Array.from({ length: 9 }, () => denied));
  const pauses: number[] = [];
  const problems: GarpError[] = [];
  const opened = Promise.withResolvers<void>();
  const { openSocket } = fake.components;
  const listener = createAnnouncementListener({
    openSocket(given) {
      const socket = openSocket!(given);
      opened.resolve();
      return socket;
    },
    wait: async (milliseconds) => void pauses.push(milliseconds),
  });
  const heard = listener.listen({ ...options, onProblem: (problem) => problems.push(problem) });
  await opened.promise;
  fake.announce(7, mac);
  expect((await heard).kind).toBe("rarp");
  expect(pauses).toEqual([10, 20, 40, 80, 160, 320, 640, 1000, 1000]);
  expect(problems.map(({ code, cause }) => [code, cause])).toEqual(
    problems.map(() => ["OpenFailed", denied]),
  );
  expect(problems[0]?.message).toMatchInlineSnapshot(
    `"cannot listen on link 7 for 02:00:00:00:00:01; next attempt in 10 ms"`,
  );
});

test("a signal ends the pause between attempts", async () => {
  const fake = createFakeAnnouncements();
  fake.failNextOpen(denied);
  const controller = new AbortController();
  const listener = createAnnouncementListener({
    openSocket: fake.components.openSocket!,
    wait: (_, signal) =>
      new Promise((__, reject) =>
        signal?.addEventListener("abort", () => reject(signal.reason), { once: true }),
      ),
  });
  const heard = listener.listen({ ...options, signal: controller.signal });
  controller.abort(new Error("over"));
  await expect(heard).rejects.toThrow("over");
});

test("announcements come one after the other until the signal, and nothing is left open", async () => {
  const fake = createFakeAnnouncements();
  const controller = new AbortController();
  const heard: string[] = [];
  const stream = announcements({ ...options, signal: controller.signal }, fake.components);
  const first = stream.next();
  fake.deliver(7, buildRarp(mac), 1n);
  fake.deliver(7, buildGratuitousArp(mac, "10.0.0.5"), 2n);
  heard.push((await first).value.kind, (await stream.next()).value.kind);
  const end = stream.next();
  controller.abort();
  expect((await end).done).toBe(true);
  expect(heard).toEqual(["rarp", "garp"]);
  expect(fake.listeners(7)).toBe(0);
});

test("a stream ends with the link, as an error", async () => {
  const fake = createFakeAnnouncements();
  const stream = announcements(options, fake.components);
  const first = stream.next();
  fake.removeLink(7);
  await expect(first).rejects.toMatchObject({ code: "LinkMissing" });
});
