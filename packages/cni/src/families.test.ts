import { describe, expect, it } from "vitest";
import { call, pod, vm } from "./calls.fixture.ts";
import { createCni } from "./cni.ts";
import { createFakeComponents } from "./fake.ts";

type Ipam = Record<string, unknown>;

/** What an ADD asks of the address manager. */
async function asked(ipam: Ipam, offered: readonly (4 | 6)[], annotations = {}) {
  const fake = createFakeComponents(new Map([pod("web", { podAnnotations: annotations })]));
  const requests: unknown[] = [];
  const cni = createCni({
    ...fake,
    poolFamilies: async () => new Set(offered),
    addresses: {
      ...fake.addresses,
      async assign(request) {
        requests.push([request.families, request.familiesAreImplied ?? false]);
        throw new Error("enough");
      },
    },
  });
  await cni.handle(call("ADD", { config: { ipam: { type: "calico-ipam", ...ipam } } }));
  return requests[0];
}

describe("a configuration that names no family", () => {
  it.each([[[4]], [[6]], [[4, 6]]] as const)("gets those of the enabled pools: %j", async (offered) =>
    expect(await asked({}, offered)).toEqual([offered, true]),
  );

  it("asks for both where there is no pool, so that the address manager says what is missing", async () =>
    expect(await asked({}, [])).toEqual([[4, 6], true]));

  it("asks for the family of a pool it names", async () =>
    expect(await asked({ ipv6_pools: ["six"] }, [4])).toEqual([[4, 6], true]));
});

describe("what somebody says is binding, whatever pools there are", () => {
  it.each<[Ipam, readonly number[]]>([
    [{ assign_ipv4: "true", assign_ipv6: "true" }, [4, 6]],
    [{ assign_ipv4: true, assign_ipv6: false }, [4]],
    [{ assign_ipv4: "false", assign_ipv6: "true" }, [6]],
  ])("%j", async (ipam, families) => {
    for (const offered of [[], [4], [6], [4, 6]] as const)
      expect(await asked(ipam, offered)).toEqual([families, false]);
  });

  it("in the pod's annotation", async () => {
    const annotations = { "cni.projectcalico.org/ipFamilies": '["IPv6"]' };
    expect(await asked({}, [4], annotations)).toEqual([[6], false]);
  });

  it("of one family only: the other follows the pools", async () => {
    expect(await asked({ assign_ipv4: "true" }, [6])).toEqual([[4, 6], true]);
    expect(await asked({ assign_ipv4: "true" }, [4])).toEqual([[4], true]);
    expect(await asked({ assign_ipv4: "false" }, [4, 6])).toEqual([[6], true]);
  });
});

it("an ADD waits for pools that are not known yet, and is tried again", async () => {
  const fake = createFakeComponents(new Map([pod("web", { vm: { ...vm, role: "active" } })]));
  const poolFamilies = async () =>
    AbortSignal.abort(new DOMException("late", "TimeoutError")).throwIfAborted() as never;
  const { stdout } = await createCni({ ...fake, poolFamilies }).handle(call("ADD", { config: { ipam: {} } }));
  expect(JSON.parse(stdout)).toMatchObject({ code: 11 });
});
