import fc from "fast-check";
import { expect, test } from "vitest";
import { attribute } from "./attributes.ts";
import type { Owners } from "./block-draft.ts";
import { decidedAt, isEarlier, isOwner } from "./owner-record.ts";
import { judgeClaim, type OwnershipEvent, ownersAfter, ownershipRules } from "./ownership.ts";
import type { Attributes } from "./resources.ts";

const names = ["a", "b", "c"];
const podOf = (name: string) => ({ namespace: "ns", name, uid: `uid-${name}`, containerId: `c-${name}` });
const createdAt = (name: string) => `2026-01-01T00:00:0${names.indexOf(name)}Z`;
const recordOf = (name: string): Attributes => ({
  [attribute.pod]: name,
  [attribute.namespace]: "ns",
  [attribute.podUid]: `uid-${name}`,
  [attribute.podCreated]: createdAt(name),
  [attribute.container]: `c-${name}`,
  [attribute.vmiUid]: "i",
});
const claimant = (name: string, guest: string | undefined, revision = "10") => ({
  pod: podOf(name),
  creationTimestamp: createdAt(name),
  record: recordOf(name),
  guest: { pod: guest, revision },
});

const anyOwner = fc.constantFrom(null, ...names.map(recordOf));
const anyOwners: fc.Arbitrary<Owners> = fc.record({ active: anyOwner, alternate: anyOwner });
const anyName = fc.constantFrom(...names);
const anyGuest = fc.constantFrom(undefined, ...names);
const events: readonly OwnershipEvent[] = ["starts", "expects", "runs"];

test("the table has an answer for every case, and no row in vain", () => {
  const used = new Set<unknown>();
  for (const event of events)
    for (const guest of ["here", "elsewhere", "not said"] as const)
      for (const active of ["it", "another", "nobody"] as const) {
        const row = ownershipRules.find(
          (rule) =>
            rule.event === event &&
            (rule.guest === "anywhere" || rule.guest === guest) &&
            (rule.active === "anybody" || rule.active === active),
        );
        expect(row, `${event}, ${guest}, ${active}`).toBeDefined();
        used.add(row);
      }
  expect(used.size).toBe(ownershipRules.length);
});

test("whatever is recorded, the pod in which KubeVirt says the guest runs becomes the active owner", () => {
  fc.assert(
    fc.property(anyOwners, anyName, fc.constantFrom(...events), (owners, name, event) => {
      const claim = judgeClaim(event, owners, claimant(name, name));
      if (claim.verdict === "write") expect(claim.owners.active).toMatchObject({ pod: name });
      else expect([claim.verdict, owners.active?.pod]).toEqual(["keep", name]);
    }),
  );
});

test("a pod in which the guest does not run never becomes the active owner by starting or running", () => {
  fc.assert(
    fc.property(
      anyOwners,
      anyName,
      anyName,
      fc.constantFrom("starts", "runs"),
      (owners, name, guest, event) => {
        fc.pre(name !== guest);
        expect(judgeClaim(event as OwnershipEvent, owners, claimant(name, guest)).verdict).toBe("elsewhere");
      },
    ),
  );
});

test("a target never takes the place of the pod in which the guest runs", () => {
  fc.assert(
    fc.property(anyOwners, anyName, anyGuest, (owners, name, guest) => {
      const claim = judgeClaim("expects", owners, claimant(name, guest));
      if (claim.verdict !== "write" || guest === name) return;
      if (owners.active && !isOwner(owners.active, podOf(name)))
        expect(claim.owners.active?.pod).not.toBe(name);
    }),
  );
});

test("what was decided on newer words is not undone by older ones", () => {
  fc.assert(
    fc.property(anyOwners, anyName, anyGuest, fc.constantFrom(...events), (owners, name, guest, event) => {
      const first = judgeClaim(event, owners, claimant(name, name, "20"));
      fc.pre(first.verdict === "write");
      if (first.verdict !== "write") return;
      expect(decidedAt(first.owners)).toBe("20");
      for (const other of names)
        expect(judgeClaim(event, first.owners, claimant(other, guest, "19")).verdict).toBe("outdated");
      // Numbers, not text.
      expect(judgeClaim(event, first.owners, claimant(name, name, "100")).verdict).toBe("keep");
    }),
  );
  expect(isEarlier("9", "10")).toBe(true);
  expect(isEarlier("x", "10")).toBe(false);
});

test("the end of a pod clears its own records only, those of its other sandboxes not, and heeds where the guest is", () => {
  fc.assert(
    fc.property(anyOwners, anyName, anyGuest, fc.boolean(), (present, name, guest, isOtherSandbox) => {
      const pod = isOtherSandbox ? { ...podOf(name), containerId: "older" } : podOf(name);
      const { owners, wasOwner } = ownersAfter(present, pod, { pod: guest, revision: "10" });
      const podsOf = ({ active, alternate }: Owners) => new Set([active?.pod, alternate?.pod]);
      const left = podsOf(present);
      if (!isOtherSandbox) left.delete(name);
      left.delete(undefined);
      const after = podsOf(owners);
      after.delete(undefined);
      expect(after).toEqual(left);
      expect(wasOwner).toBe(!isOtherSandbox && podsOf(present).has(name));
      if (guest !== undefined && left.has(guest)) expect(owners.active?.pod).toBe(guest);
    }),
  );
});
