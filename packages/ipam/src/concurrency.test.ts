import { describe, expect, test } from "vitest";
import { createFaultyStore } from "./faulty-store.ts";
import type { IpamOptions } from "./ipam.ts";
import { seeded } from "./random.ts";
import { del, Testbed, texts } from "./testbed.ts";
import { findViolations } from "./violations.ts";

/** Lets calls of many processes through one by one, in an order drawn at random: every interleaving may happen, a seed repeats it. */
function interleaver(random: () => number) {
  const waiting: (() => void)[] = [];
  let pumping = false;
  const pump = () => {
    const [next] = waiting.splice(Math.floor(random() * waiting.length), 1);
    next?.();
    if (waiting.length > 0) setImmediate(pump);
    else pumping = false;
  };
  return () =>
    new Promise<void>((resolve) => {
      waiting.push(resolve);
      if (pumping) return;
      pumping = true;
      setImmediate(pump);
    });
}

test.each(Array.from({ length: 12 }, (_, seed) => seed))(
  "nodes that compete for a pool share it exactly, in any interleaving (seed %i)",
  async (seed) => {
    const bed = new Testbed({ cidr: "10.0.0.0/27", blockSize: 30 }, { cidr: "fd00::/123", blockSize: 126 });
    const random = seeded(seed);
    const gate = interleaver(random);
    const nodes = ["node-1", "node-2", "node-3"].map((node) => ({
      node,
      ipam: bed.boot({ random, store: createFaultyStore(bed.store, { gate }) }),
    }));
    const pods = Array.from({ length: 32 }, (_, i) => ({
      at: nodes[i % 3]!,
      request: bed.pod(nodes[i % 3]!.node),
    }));
    const given = await Promise.all(pods.map(({ at, request }) => at.ipam.workloads.assign(request)));
    expect(new Set(given.flatMap(texts)).size).toBe(64);
    expect(await findViolations(bed.store)).toEqual([]);

    const leaving = pods.filter(() => random() < 0.5);
    const arriving = leaving.map(({ at }) => ({ at, request: bed.pod(at.node) }));
    await Promise.all(leaving.map(({ at, request }) => at.ipam.workloads.release(del(request))));
    const again = await Promise.all(arriving.map(({ at, request }) => at.ipam.workloads.assign(request)));
    expect(new Set(again.flatMap(texts)).size).toBe(arriving.length * 2);
    expect(await findViolations(bed.store)).toEqual([]);
  },
);

test.each(Array.from({ length: 12 }, (_, seed) => seed))(
  "pods of one VM that ask on all nodes at once are told one address (seed %i)",
  async (seed) => {
    const bed = new Testbed();
    const random = seeded(seed);
    const gate = interleaver(random);
    const { active } = bed.vm("a");
    const outcomes = await Promise.allSettled(
      ["node-1", "node-2", "node-3", "node-1", "node-2"].map((node) =>
        bed
          .boot({ random, store: createFaultyStore(bed.store, { gate }) })
          .workloads.assign(bed.pod(node, { vm: active })),
      ),
    );
    const told = outcomes.flatMap((outcome) =>
      outcome.status === "fulfilled" ? [String(texts(outcome.value))] : [],
    );
    expect(told.length).toBeGreaterThan(0);
    expect(new Set(told).size).toBe(1);
    for (const outcome of outcomes)
      if (outcome.status === "rejected") expect(outcome.reason).toMatchObject({ code: "OwnedByNewerPod" });
    const last = await bed.boot().owners.get(told[0]!.split(",")[0]!);
    expect(last.active?.pod).toBe("virt-launcher-5");
    expect(await findViolations(bed.store, { settled: true })).toEqual([]);
  },
);

/**
 * One VM moves from A to B while a target C comes and goes, the source's sandbox is ended twice, and an agent with old news believes in
 * A; all at once, each call of any of them in any order.
 */
test("whatever order the calls of a move come in, the guest's pod owns the address and the VM can migrate", async () => {
  for (let seed = 0; seed < 150; seed++) {
    const bed = new Testbed();
    const random = seeded(seed);
    const gate = interleaver(random);
    const { active, target } = bed.vm("a");
    const [a, b, c] = [
      bed.pod("node-1", { vm: active }),
      bed.pod("node-2", { vm: target }),
      bed.pod("node-3", { vm: target }),
    ] as const;
    const addresses = texts(await bed.boot().workloads.assign(a));
    await bed.boot().workloads.assign(b);
    bed.guestRunsIn("a", a);
    const old = bed.vmis.get("default/a")!;
    bed.guestRunsIn("a", b);
    const now = { pod: b.pod.name, revision: bed.vmis.get("default/a")!.revision! };
    const before = { pod: a.pod.name, revision: old.revision! };
    const at = (facts = bed.facts) =>
      bed.boot({ random, facts, store: createFaultyStore(bed.store, { gate }) }).workloads;
    const informed = (request: typeof a, guest = random() < 0.5 ? now : before) => ({
      ...request,
      vm: { ...request.vm!, guest },
    });
    const leave = (request: typeof a) => {
      const { vm, ...rest } = informed(request);
      return at().release({ ...rest, vm: { ...vm, deleting: false } });
    };
    let asked = 0;
    // The VMI is read live: an agent's first look may be just before the switch, its next is not.
    const lateFacts = { ...bed.facts, vmi: async () => (asked++ === 0 ? old : bed.vmis.get("default/a")) };
    await Promise.allSettled([
      at().promote(bed.promotion("a", b)),
      at(lateFacts).promote(bed.promotion("a", a)),
      at()
        .assign(informed(c))
        .then(() => leave(c)),
      leave(a),
      leave(a),
      at().assign(informed(b)),
    ]);
    // Nothing is in flight: the agent of the guest's node asks until it succeeds, and the runtime has ended the others.
    expect(await at().promote(bed.promotion("a", b))).toBe("owner");
    await leave(a);
    await leave(c);
    for (const address of addresses) {
      const owners = await bed.boot().owners.get(address);
      expect([seed, owners.active?.pod, owners.alternate?.pod]).toEqual([seed, b.pod.name, undefined]);
    }
    const next = bed.pod("node-1", { vm: { ...target, guest: now } });
    expect(texts(await bed.boot({ facts: bed.facts }).workloads.assign(next))).toEqual(addresses);
    expect(await findViolations(bed.store)).toEqual([]);
  }
}, 60_000);

describe("twenty at once on one node, with a server that takes its time", () => {
  /** Answers after a number of turns of the event loop drawn at random: no two answers come together. */
  const slowly = (random: () => number) => async () => {
    for (let turns = 20 + Math.floor(random() * 80); turns > 0; turns--) await new Promise(setImmediate);
  };
  const writesPerBlock = (calls: readonly { readonly verb: string; readonly kind: string }[]) =>
    calls.filter(({ verb, kind }) => verb === "replace" && kind === "IPAMBlock").length / 2;

  test.each<[string, Partial<IpamOptions>, boolean]>([
    ["pods", {}, false],
    ["pods with handle objects", { handleObjects: "always" }, false],
    ["virtual machines", {}, true],
  ])("%s share a handful of writes per block", async (_, options, isVm) => {
    const bed = new Testbed();
    const random = seeded(7);
    const store = createFaultyStore(bed.store, { gate: slowly(random) });
    const ipam = bed.boot({ store, settingsMaxAgeMs: 600_000, ...options });
    await ipam.workloads.assign(bed.pod("node-1"));
    const requests = Array.from({ length: 20 }, (_, i) =>
      bed.pod("node-1", isVm ? { vm: bed.vm(`vm-${i}`).active } : {}),
    );
    let before = store.calls.length;
    const given = await Promise.all(requests.map((request) => ipam.workloads.assign(request)));
    expect(new Set(given.flatMap(texts)).size).toBe(40);
    expect(writesPerBlock(store.calls.slice(before))).toBeLessThanOrEqual(5);
    before = store.calls.length;
    await Promise.all(requests.map((request) => ipam.workloads.release(del(request, true))));
    expect(writesPerBlock(store.calls.slice(before))).toBeLessThanOrEqual(5);
    expect(await findViolations(bed.store, { settled: true })).toEqual([]);
  });

  test("what is asked for in one turn of the event loop is one write", async () => {
    const bed = new Testbed();
    const store = createFaultyStore(bed.store, { gate: slowly(seeded(1)) });
    const ipam = bed.boot({ store, settingsMaxAgeMs: 600_000 });
    await ipam.workloads.assign(bed.pod("node-1"));
    const before = store.calls.length;
    await Promise.all(
      Array.from({ length: 20 }, async (_, i) => {
        for (let steps = 0; steps < i; steps++) await undefined;
        await ipam.workloads.assign(bed.pod("node-1"));
      }),
    );
    expect(writesPerBlock(store.calls.slice(before))).toBe(1);
  });
});
