import { describe, expect, test } from "vitest";
import { decodeBlock } from "./block-decode.ts";
import { BlockDraft, emptyBlock } from "./block-draft.ts";
import { blockGeometry } from "./block-geometry.ts";
import { fateOf } from "./lost-write.ts";
import { blockName } from "./names.ts";
import type { IPAMBlock } from "./resources.ts";

const now = new Date("2026-01-01T00:00:00Z");
let revision = 0;

const stored = (spec: IPAMBlock["spec"], uid = "block"): IPAMBlock => ({
  metadata: { name: blockName(spec.cidr), uid, resourceVersion: String(++revision) },
  spec,
});

/** The block after one more write. */
function after({ spec }: IPAMBlock, change: (draft: BlockDraft) => void): IPAMBlock["spec"] {
  const draft = new BlockDraft(spec, decodeBlock(stored(spec)), { now, cooldownSeconds: 0 });
  change(draft);
  return draft.finish();
}

const owners = (pod: string) => ({ active: { pod }, alternate: null });
const take =
  (handle: string, count = 1, pod = handle) =>
  (draft: BlockDraft) =>
    void draft.allocate(count, handle, owners(pod));

describe.each(["10.0.0.0/26", "fd00::/122"])("a lost write of %s", (cidr) => {
  const geometry = blockGeometry(cidr)!;
  const base = () => stored(after(stored(emptyBlock(geometry, "host:a", now)), take("old", 3)));
  const ours = (draft: BlockDraft) => {
    take("ours", 2)(draft);
    draft.release(0);
    draft.setOwners(1, owners("heir"));
  };

  test("is pending while the block is as it was", () => {
    const before = base();
    expect(fateOf({ base: before, intended: after(before, ours) }, before)).toBe("pending");
    expect(fateOf({ base: before, intended: null }, before)).toBe("pending");
  });

  test("has landed when the block is as it was to be, also where a server leaves out what is empty", () => {
    const before = base();
    const intended = after(before, ours);
    expect(fateOf({ base: before, intended }, stored(intended))).toBe("landed");
    const attributes = intended.attributes.map((entry) => ({ ...entry, alternateOwnerAttrs: null }));
    expect(fateOf({ base: before, intended }, stored({ ...intended, attributes }))).toBe("landed");
  });

  test("has landed when its allocations are there, whatever others have written since", () => {
    const before = base();
    const intended = after(before, ours);
    const later = stored(
      after(stored(intended), (draft) => {
        take("others", 2)(draft);
        draft.setOwners(1, owners("another"));
        draft.setOwners(3, owners("another"));
      }),
    );
    expect(fateOf({ base: before, intended }, later)).toBe("landed");
  });

  test("is void when another write took its number, even with the same addresses for the same handle", () => {
    const before = base();
    const intended = after(before, ours);
    const others = stored(after(before, take("ours", 2, "another pod of the VM")));
    expect(fateOf({ base: before, intended }, others)).toBe("void");
    expect(fateOf({ base: before, intended }, stored(after(others, take("more"))))).toBe("void");
    expect(fateOf({ base: before, intended }, stored(after(before, take("others", 2))))).toBe("void");
  });

  test("is void when it cannot be told from others' writes: then it is decided anew", () => {
    const before = base();
    const intended = after(before, (draft) => draft.setOwners(1, owners("heir")));
    const later = stored(after(stored(intended), take("others")));
    expect(fateOf({ base: before, intended }, later)).toBe("void");
  });

  test("is void when a part of it is missing", () => {
    const before = base();
    const intended = after(before, take("ours", 2));
    const first = after(before, take("ours", 1));
    expect(fateOf({ base: before, intended }, stored(after(stored(first), take("others"))))).toBe("void");
    const claiming = after(before, (draft) => {
      take("ours")(draft);
      draft.setAffinity("host:b");
    });
    const later = stored(after(stored(after(before, take("ours"))), take("others")));
    expect(fateOf({ base: before, intended: claiming }, later)).toBe("void");
  });

  test("is void when the block was removed and made anew, unless it was the removal", () => {
    const before = base();
    const anew = stored(emptyBlock(geometry, "host:b", now), "another");
    for (const present of [anew, undefined]) {
      expect(fateOf({ base: before, intended: after(before, ours) }, present)).toBe("void");
      expect(fateOf({ base: before, intended: null }, present)).toBe("landed");
    }
    expect(fateOf({ base: before, intended: null }, stored(after(before, ours)))).toBe("void");
  });
});
