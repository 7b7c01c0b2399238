import fc from "fast-check";
import { expect, test } from "vitest";
import { decodeBlock } from "./block-decode.ts";
import { allocationsOf, BlockDraft, emptyBlock, nextSequence } from "./block-draft.ts";
import { blockGeometry } from "./block-geometry.ts";
import type { IPAMBlock } from "./resources.ts";

const geometry = blockGeometry("10.0.0.0/28")!;
const start = Date.parse("2026-01-01T00:00:00Z");
const handle = fc.constantFrom("a", "b", "c");
const change = fc.oneof(
  fc.record({ type: fc.constant("allocate" as const), handle, count: fc.nat(4) }),
  fc.record({ type: fc.constant("assign" as const), handle, ordinal: fc.nat(15) }),
  fc.record({ type: fc.constant("release" as const), ordinal: fc.nat(15) }),
  fc.record({ type: fc.constant("owners" as const), ordinal: fc.nat(15), pod: fc.constantFrom("p", "q") }),
  fc.record({ type: fc.constant("wait" as const), seconds: fc.nat(90) }),
);

test("a block agrees with a plain map of its allocations, whatever is done to it", () => {
  fc.assert(
    fc.property(
      fc.array(fc.array(change, { maxLength: 5 }), { maxLength: 12 }),
      fc.constantFrom(0, 60),
      (batches, cooldownSeconds) => {
        let now = start;
        let block: IPAMBlock = {
          metadata: { name: "10-0-0-0-28" },
          spec: emptyBlock(geometry, "host:n", new Date(now)),
        };
        const model = new Map<number, { handle: string; pod: string | undefined }>();
        const rests = new Map<number, number>();
        const isFree = (ordinal: number) => !model.has(ordinal) && (rests.get(ordinal) ?? 0) <= now;
        for (const batch of batches) {
          const draft = new BlockDraft(block.spec, decodeBlock(block), {
            now: new Date(now),
            cooldownSeconds,
          });
          const none = { active: null, alternate: null };
          for (const one of batch) {
            if (one.type === "allocate") {
              const free = Array.from({ length: 16 }, (_, i) => i).filter(isFree).length;
              const taken = draft.allocate(one.count, one.handle, none);
              expect(taken).toHaveLength(Math.min(one.count, free));
              for (const { ordinal } of taken) {
                expect(isFree(ordinal)).toBe(true);
                model.set(ordinal, { handle: one.handle, pod: undefined });
              }
            } else if (one.type === "assign") {
              const taken = draft.assign(one.ordinal, one.handle, none);
              expect(taken !== undefined).toBe(isFree(one.ordinal));
              if (taken) model.set(one.ordinal, { handle: one.handle, pod: undefined });
            } else if (one.type === "release" && model.has(one.ordinal)) {
              draft.release(one.ordinal);
              model.delete(one.ordinal);
              rests.set(one.ordinal, now + cooldownSeconds * 1000);
            } else if (one.type === "owners" && model.has(one.ordinal)) {
              draft.setOwners(one.ordinal, { active: { pod: one.pod }, alternate: null });
              model.get(one.ordinal)!.pod = one.pod;
            }
          }
          if (draft.changed) block = { ...block, spec: draft.finish() };
          decodeBlock({ ...block });
          const has = [...allocationsOf(block.spec, geometry)].map(({ ordinal, handle, owners }) => [
            ordinal,
            { handle, pod: owners.active?.pod },
          ]);
          expect(new Map(has as [number, { handle: string; pod: string | undefined }][])).toEqual(model);
          for (const one of batch) if (one.type === "wait") now += one.seconds * 1000;
        }
      },
    ),
    { numRuns: 300 },
  );
});

test.each([
  [1, 2],
  [Number.MAX_SAFE_INTEGER, 9_007_199_254_740_992n],
  [1_798_761_600_123_456_789n, 1_798_761_600_123_456_790n],
])("after sequence number %s comes %s", (sequence, next) => expect(nextSequence(sequence)).toBe(next));
