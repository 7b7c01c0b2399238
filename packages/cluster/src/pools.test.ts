import type { Installation, IPPool } from "@fairlead/api";
import { describe, expect, it } from "vitest";
import { managedLabel, planPools, wantedPools } from "./pools.ts";

type Pools = NonNullable<NonNullable<Installation["spec"]["calicoNetwork"]>["ipPools"]>;

const poolDefaults = {
  encapsulation: "None",
  natOutgoing: "Enabled",
  nodeSelector: "all()",
  disableBGPExport: false,
  disableNewAllocations: false,
  assignmentMode: "Automatic",
} as const;

const installation = (...ipPools: (Partial<Pools[number]> & { cidr: string })[]) =>
  ({
    apiVersion: "operator.tigera.io/v1",
    kind: "Installation",
    metadata: { name: "default" },
    spec: {
      variant: "Calico",
      calicoNetwork: { ipPools: ipPools.map((pool) => ({ ...poolDefaults, ...pool })) },
    },
  }) as Installation;

function present(
  name: string,
  spec: Partial<IPPool["spec"]>,
  labels: Record<string, string> = managedLabel,
): IPPool {
  const [wanted] = wantedPools(installation({ name, cidr: "10.244.0.0/16" }));
  const full = {
    ...wanted?.spec,
    blockSize: 26,
    namespaceSelector: "",
    allowedUses: ["Workload", "Tunnel"],
    ...spec,
  };
  return {
    apiVersion: "projectcalico.org/v3",
    kind: "IPPool",
    metadata: { name, labels },
    spec: full,
  } as IPPool;
}

describe("pools of an Installation", () => {
  it("have the default name of their family, further ones one of their CIDR", () => {
    const pools = wantedPools(
      installation(
        { cidr: "10.0.0.0/16" },
        { cidr: "fd00::/64" },
        { cidr: "10.1.0.0/16" },
        { name: "x", cidr: "10.2.0.0/16" },
      ),
    );
    expect(pools.map(({ name }) => name)).toEqual([
      "default-ipv4-ippool",
      "default-ipv6-ippool",
      "10-1-0-0-16",
      "x",
    ]);
  });

  it("never share a name, however alike their CIDRs are", () => {
    const cidrs = ["fd00:1::/64", "fd00::1:0/112", "fd00:1::0/112"];
    const names = wantedPools(installation({ cidr: "fd00::/64" }, ...cidrs.map((cidr) => ({ cidr }))));
    expect(new Set(names.map(({ name }) => name)).size).toBe(4);
  });

  it.each([
    ["IPIPCrossSubnet", { ipipMode: "CrossSubnet", vxlanMode: "Never" }],
    ["VXLAN", { ipipMode: "Never", vxlanMode: "Always" }],
  ] as const)("translate encapsulation %s", (encapsulation, modes) =>
    expect(wantedPools(installation({ cidr: "10.0.0.0/16", encapsulation }))[0]?.spec).toMatchObject(modes),
  );
});

describe("the plan", () => {
  const plan = (wanted: Installation, pools: IPPool[], wasApplied = false) =>
    planPools(wantedPools(wanted), pools, () => wasApplied);
  const pool = { name: "p", cidr: "10.244.0.0/16" };

  it("creates what is missing and does nothing when all is well", () => {
    expect(plan(installation(pool), [])).toMatchObject([{ type: "create", pool: { name: "p" } }]);
    expect(plan(installation(pool), [present("p", {})])).toEqual([]);
  });

  it("carries natOutgoing of the Installation over", () =>
    expect(plan(installation({ ...pool, natOutgoing: "Disabled" }), [present("p", {})])).toMatchObject([
      {
        type: "replace",
        fields: ["natOutgoing"],
        wasEdited: false,
        pool: { spec: { natOutgoing: false, blockSize: 26 } },
      },
    ]));

  it("calls it an edit when the Installation did not change", () =>
    expect(plan(installation(pool), [present("p", { natOutgoing: false })], true)).toMatchObject([
      { wasEdited: true, fields: ["natOutgoing"] },
    ]));

  it("adopts a pool of the same name", () =>
    expect(plan(installation(pool), [present("p", {}, {})])).toMatchObject([
      { type: "replace", fields: [], wasEdited: false, pool: { metadata: { labels: managedLabel } } },
    ]));

  it("deletes its own and leaves others", () =>
    expect(plan(installation(), [present("mine", {}), present("other", {}, {})])).toMatchObject([
      { type: "delete", pool: { metadata: { name: "mine" } } },
    ]));

  it("does not try to change what cannot change", () =>
    expect(
      plan(installation({ ...pool, cidr: "10.9.0.0/16", blockSize: 28 }), [present("p", {})]),
    ).toMatchObject([{ type: "impossible", fields: ["cidr", "blockSize"] }]));

  const second = { cidr: "10.245.0.0/16" };
  const other = (name: string, cidr: string) => present(name, { cidr });

  it("means the same pool by an entry that changed its place in the list", () =>
    expect(
      plan(installation(second), [
        other("default-ipv4-ippool", "10.244.0.0/16"),
        other("10-245-0-0-16", second.cidr),
      ]),
    ).toMatchObject([{ type: "delete", pool: { metadata: { name: "default-ipv4-ippool" } } }]));

  it("keeps a pool under its name when the Installation calls it something else", () =>
    expect(
      plan(installation({ ...pool, name: "q", natOutgoing: "Disabled" }), [present("p", {})]),
    ).toMatchObject([
      { type: "renamed", pool: { metadata: { name: "p" } }, name: "q" },
      { type: "replace", pool: { metadata: { name: "p" }, spec: { natOutgoing: false } } },
    ]));

  it("does not take another way to write a network for a change", () =>
    expect(
      plan(installation({ name: "six", cidr: "FD00:10:0:0::/64" }), [
        present("six", { cidr: "fd00:10::/64", blockSize: 122 }),
      ]),
    ).toEqual([]));

  it.each([
    ["mistyped", { cidr: "10.245.0.1/16" }],
    ["of a CIDR that its pool cannot get", { name: "p", cidr: "10.250.0.0/16" }],
  ])("takes no pool away while an entry is %s", (_, entry) => {
    const changes = plan(installation(entry), [present("p", {}), other("10-245-0-0-16", second.cidr)]);
    expect(changes.map(({ type }) => type)).not.toContain("delete");
  });
});
