/** What every listener does, the real one and the fake. */
import assert from "node:assert/strict";
import { buildAdvertisement, buildGratuitousArp, buildRarp } from "./build.ts";
import type { AnnouncementListener } from "./listen.ts";
import type { ListenOptions } from "./listen-options.ts";

export interface ListenHarness {
  readonly listener: AnnouncementListener;
  /** Where the guest is. */
  readonly link: Pick<ListenOptions, "linkIndex" | "netns">;
  /** The guest sends a frame. */
  send(frame: Buffer): void;
  removeLink(): void;
}

const mac = "02:00:00:00:00:01";
const expected = { mac, addresses: ["10.0.0.5", "fd00::5"] };
const frames = {
  rarp: buildRarp(mac),
  garp: buildGratuitousArp(mac, "10.0.0.5"),
  na: buildAdvertisement(mac, "fd00::5"),
} as const;

export interface ListenCase {
  readonly name: string;
  run(harness: ListenHarness): Promise<void>;
}

export const listenCases: readonly ListenCase[] = [
  ...(["rarp", "garp", "na"] as const).map((kind) => ({
    name: `resolves with the first announcement: ${kind}`,
    async run({ listener, link, send }: ListenHarness) {
      const heard = listener.listen({ ...link, ...expected });
      send(frames[kind]);
      for (const frame of Object.values(frames)) send(frame);
      const { kind: first, at, mac: who } = await heard;
      assert.deepEqual([first, who, typeof at], [kind, mac, "bigint"]);
    },
  })),
  {
    name: "forged frames do not end the wait, and the odd ones are reported",
    async run({ listener, link, send }) {
      const reasons: string[] = [];
      const heard = listener.listen({ ...link, ...expected, onRefused: (reason) => reasons.push(reason) });
      send(buildRarp("02:00:00:00:00:99"));
      send(buildGratuitousArp("02:00:00:00:00:99", "10.0.0.5"));
      send(buildGratuitousArp(mac, "10.0.0.6"));
      send(frames.na);
      assert.equal((await heard).kind, "na");
      assert.deepEqual(reasons, ["address of another machine"]);
    },
  },
  {
    name: "rejects with the signal's reason",
    async run({ listener, link }) {
      const controller = new AbortController();
      const heard = listener.listen({ ...link, ...expected, signal: controller.signal });
      controller.abort(new Error("migration cancelled"));
      await assert.rejects(heard, { message: "migration cancelled" });
      await assert.rejects(listener.listen({ ...link, ...expected, signal: controller.signal }), {
        message: "migration cancelled",
      });
    },
  },
  {
    name: "rejects with LinkMissing when there is no such link",
    async run({ listener, link }) {
      await assert.rejects(listener.listen({ ...link, ...expected, linkIndex: 4711 }), {
        code: "LinkMissing",
      });
    },
  },
  {
    name: "rejects with LinkMissing when the link goes away",
    async run({ listener, link, removeLink }) {
      const heard = listener.listen({ ...link, ...expected });
      removeLink();
      await assert.rejects(heard, { name: "GarpError", code: "LinkMissing" });
    },
  },
  {
    name: "rejects with Invalid for a MAC or an address that is none",
    async run({ listener, link }) {
      await assert.rejects(listener.listen({ ...link, ...expected, mac: "nonsense" }), { code: "Invalid" });
      await assert.rejects(listener.listen({ ...link, mac, addresses: ["10.0.0.5/32"] }), {
        code: "Invalid",
      });
    },
  },
  {
    name: "two may listen on one link, each for its machine",
    async run({ listener, link, send }) {
      const other = "02:00:00:00:00:02";
      const one = listener.listen({ ...link, ...expected });
      const two = listener.listen({ ...link, mac: other, addresses: [] });
      send(buildRarp(other));
      assert.equal((await two).mac, other);
      send(buildRarp(mac));
      assert.equal((await one).mac, mac);
    },
  },
];
