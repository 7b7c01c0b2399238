import { describe, expect, it } from "vitest";
import type { Arrival, Recording } from "./recording.ts";
import { computeFigures } from "./statistics.ts";

const plan = {
  name: "p",
  vantage: "client",
  family: 4,
  kind: "udp-echo",
  address: "10.244.0.5",
  port: 7,
  intervalMs: 1,
} as const;
const window = { from: 100, to: 200 };

/** One datagram per millisecond from 0 to 300, answered half a millisecond later unless `lose` says otherwise. */
function udp(lose: (sequence: number) => boolean, extra: readonly Arrival[] = []): Recording {
  const sent = Array.from({ length: 300 }, (_, sequence) => sequence);
  const arrivals: Arrival[] = sent.filter((s) => !lose(s)).map((s) => [s, s + 0.5]);
  return { plan, sent, arrivals: [...arrivals, ...extra], connection: [], bytes: 0 };
}

describe("computeFigures", () => {
  it("finds nothing wrong with an undisturbed probe", () => {
    expect(
      computeFigures(
        udp(() => false),
        window,
      ),
    ).toMatchObject({
      sent: 100,
      lost: 0,
      duplicates: 0,
      longestGapMs: 1,
      brokenConnections: 0,
    });
  });

  it("measures an outage from the last arrival before it to the first after it", () => {
    const figures = computeFigures(
      udp((s) => s >= 120 && s < 180),
      window,
    );
    expect(figures).toMatchObject({ lost: 60, longestGapMs: 61, longestGapAt: 119.5 });
  });

  it("follows an outage past the end of the window to the arrival that ended it", () => {
    expect(
      computeFigures(
        udp((s) => s >= 190 && s < 250),
        window,
      ).longestGapMs,
    ).toBe(61);
  });

  it("does not let a probe that fell silent look healthy", () => {
    expect(
      computeFigures(
        udp((s) => s >= 110),
        window,
      ),
    ).toMatchObject({ lost: 90, longestGapMs: 90.5 });
  });

  it("counts a sequence number that arrived twice as a duplicate, not as a second answer", () => {
    expect(
      computeFigures(
        udp(() => false, [[150, 299.7]]),
        window,
      ),
    ).toMatchObject({ lost: 0, duplicates: 1 });
  });

  const stream: Recording = {
    plan: { ...plan, kind: "tcp-from-guest" },
    sent: [],
    arrivals: Array.from({ length: 30 }, (_, sequence) => [sequence, sequence * 10]),
    connection: [{ at: 0, event: "connected" }],
    bytes: 100,
  };

  it("expects every number between the first and the last that the guest pushed", () => {
    expect(computeFigures(stream, window)).toMatchObject({ sent: 10, lost: 0, brokenConnections: 0 });
    const holed = { ...stream, arrivals: stream.arrivals.filter(([s]) => s !== 15) };
    expect(computeFigures(holed, window)).toMatchObject({ sent: 10, lost: 1 });
  });

  it("counts a reset, and the connection it broke", () => {
    const reset = { ...stream, connection: [{ at: 150, event: "reset" as const }] };
    expect(computeFigures(reset, window)).toMatchObject({ resets: 1, brokenConnections: 1 });
  });

  it("calls a connection broken that carried nothing within the window", () => {
    const silent = { ...stream, arrivals: stream.arrivals.filter(([, at]) => at < 100) };
    expect(computeFigures(silent, window)).toMatchObject({ brokenConnections: 1, longestGapMs: 110 });
  });
});
