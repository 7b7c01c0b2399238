import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { birdConfiguration, routerIdOf } from "./configuration.ts";
import { speaker } from "./speaker.fixture.ts";
import type { BgpFilterRule, BgpPeer } from "./speaker.ts";

const tor: BgpPeer = { name: "tor", spec: { peerIP: "10.10.0.1", asNumber: 64513 } };

/** The lines of one `{ ... }` section, without it the empty text. */
function section(text: string, head: string): string {
  const start = text.indexOf(head);
  return start < 0 ? "" : text.slice(start, text.indexOf("\n}\n", start) + 3);
}

describe("birdConfiguration", () => {
  it("is the same text for the same speaker", () => {
    expect(birdConfiguration(speaker()).text).toBe(birdConfiguration(speaker()).text);
    expect(birdConfiguration(speaker()).problems).toEqual([]);
  });

  it("learns a workload's route above what others say about it, and an elevated one above everything", () => {
    const { text } = birdConfiguration(speaker());
    for (const family of [4, 6])
      expect(section(text, `filter kernel_import${family}\n`)).toContain(
        [
          '  if krt_source = 80 && defined(ifname) && ifname ~ "cali*" then {',
          "    preference = 150;",
          "    if defined(krt_metric) && krt_metric > 0 && krt_metric < 1024 then preference = 300;",
        ].join("\n"),
      );
  });

  it("gives every route from afar one metric, between an elevated workload and one at rest", () => {
    const { text } = birdConfiguration(speaker());
    for (const family of [4, 6])
      expect(section(text, `protocol kernel kernel${family} {`)).toContain("  metric 1023;");
  });

  it("passes on a learned local preference as it was said (re-export must not overwrite it)", () => {
    const set = section(birdConfiguration(speaker()).text, "function set_priority4()");
    const [learned, own] = set.split("} else {");
    expect(learned).not.toMatch(/bgp_local_pref =/);
    expect(own).toContain("bgp_local_pref = 2147483647 - krt_metric;");
  });

  it("never announces a route it learned only to resolve next hops", () => {
    const announce = section(birdConfiguration(speaker()).text, "function announce4(");
    expect(announce).toContain('if krt_source != 80 || ifname !~ "cali*" then reject;');
    expect(announce.indexOf("RTS_INHERIT")).toBeLessThan(announce.indexOf("accept;"));
  });

  it("lets only the block speak for its addresses, except elevated ones", () => {
    expect(section(birdConfiguration(speaker()).text, "function announce4(")).toContain(
      [
        "  if net = 10.244.1.0/26 then accept;",
        "  if net ~ [ 10.244.1.0/26+ ] && source != RTS_BGP then { if krt_metric < 1024 then accept; reject; }",
      ].join("\n"),
    );
  });

  it("honours another normal priority everywhere", () => {
    const { text } = birdConfiguration(
      speaker({ configuration: { ipv4NormalRoutePriority: 2000, ipv6NormalRoutePriority: 3000 } }),
    );
    expect(section(text, "filter kernel_import4\n")).toContain("krt_metric < 2000 then preference = 300");
    expect(section(text, "function prefer_elevated6()")).toContain(String(2147483647 - 3000));
    expect(text).not.toContain("1024");
    expect(section(text, "protocol kernel kernel4 {")).toContain("metric 1999;");
  });

  it("keeps pools with disableBGPExport to itself", () => {
    const pools = [{ cidr: "10.244.0.0/16" }, { cidr: "10.245.0.0/16", disableBGPExport: true }];
    const announce = section(birdConfiguration(speaker({ pools })).text, "function announce4(");
    expect(announce).toContain("if net ~ [ 10.245.0.0/16+ ] then reject;");
    expect(announce).toContain("if net ~ [ 10.244.0.0/16+ ] then accept;");
  });

  it("tags prefixes with communities by value and by name", () => {
    const { text, problems } = birdConfiguration(
      speaker({
        configuration: {
          communities: [{ name: "vm", value: "65000:1:2" }],
          prefixAdvertisements: [{ cidr: "10.244.0.0/16", communities: ["vm", "65000:7", "nobody"] }],
        },
      }),
    );
    expect(text).toContain(
      "if net ~ [ 10.244.0.0/16+ ] then { bgp_large_community.add((65000,1,2)); bgp_community.add((65000,7)); }",
    );
    expect(problems).toEqual([
      {
        object: "BGPConfiguration/default",
        field: "spec.prefixAdvertisements[0].communities",
        message: "names no community and is none",
      },
    ]);
  });

  it("leaves a session out rather than open it without its password", () => {
    const peers = [
      { ...tor, spec: { ...tor.spec, password: { secretKeyRef: { name: "bgp", key: "tor" } } } },
    ];
    const missing = birdConfiguration(speaker({ peers }));
    expect(missing.text).not.toContain("10.10.0.1");
    expect(missing.problems).toMatchObject([{ object: "BGPPeer/tor", field: "spec.password" }]);
    const impossible = birdConfiguration(speaker({ peers, passwords: { "bgp/tor": 'a"; passive on; #' } }));
    expect(impossible.text).not.toContain("10.10.0.1");
    expect(impossible.problems).toMatchObject([{ object: "BGPPeer/tor", field: "password" }]);
    expect(birdConfiguration(speaker({ peers, passwords: { "bgp/tor": "se'cr\\et" } })).text).toContain(
      `password "se'cr\\et";`,
    );
  });

  it("writes every option of a peer", () => {
    const spec = {
      ...tor.spec,
      ttlSecurity: 1,
      keepaliveTime: "10s",
      maxRestartTime: "1m30s",
      numAllowedLocalASNumbers: 2,
      reachableBy: "10.10.1.1",
      nextHopMode: "Self" as const,
      localASNumber: 65010,
    };
    const { text } = birdConfiguration(speaker({ peers: [{ name: "tor", spec }] }));
    expect(section(text, "protocol bgp 'bgp4.peer.tor'")).toMatchInlineSnapshot(`
      "protocol bgp 'bgp4.peer.tor' from neighbour {
        local 10.10.1.2 port 179 as 65010;
        neighbor 10.10.0.1 port 179 as 64513;
        multihop 1;
        ttl security on;
        graceful restart time 90;
        keepalive time 10;
        hold time 30;
        allow local as 2;
        ipv4 {
          next hop self;
          gateway recursive;
          import filter {
            prefer_elevated4();
            accept;
          };
          export filter {
            set_priority4();
            announce4(false);
            reject;
          };
        };
      }
      "
    `);
    expect(text).toContain("route 10.10.0.1/32 via 10.10.1.1;");
  });
});

describe("BGPFilter", () => {
  const render = (rule: BgpFilterRule, direction: "importV4" | "exportV4" = "exportV4") =>
    birdConfiguration(
      speaker({
        peers: [{ ...tor, spec: { ...tor.spec, filters: ["f"] } }],
        filters: [{ name: "f", spec: { [direction]: [rule] } }],
      }),
    );
  const body = (rule: BgpFilterRule, direction?: "importV4") =>
    section(render(rule, direction).text, "function '").split("\n")[2]?.trim();

  it.each<[BgpFilterRule, string]>([
    [{ action: "Reject" }, "{ reject; }"],
    [
      { action: "Accept", cidr: "10.1.2.3/8", matchOperator: "Equal" },
      "if (net = 10.0.0.0/8) then { accept; }",
    ],
    [
      { action: "Accept", cidr: "10.0.0.0/8", matchOperator: "NotEqual" },
      "if (net != 10.0.0.0/8) then { accept; }",
    ],
    [
      { action: "Accept", cidr: "10.0.0.0/8", matchOperator: "In" },
      "if (net ~ [ 10.0.0.0/8{8,32} ]) then { accept; }",
    ],
    [
      { action: "Reject", cidr: "10.0.0.0/8", matchOperator: "NotIn", prefixLength: { min: 16, max: 24 } },
      "if (net !~ [ 10.0.0.0/8{16,24} ]) then { reject; }",
    ],
    [{ action: "Reject", source: "RemotePeers" }, "if (source = RTS_BGP) then { reject; }"],
    [{ action: "Reject", interface: "eth*" }, 'if (defined(ifname)) && (ifname ~ "eth*") then { reject; }'],
    [{ action: "Reject", peerType: "eBGP" }, "if (!same_as) then { reject; }"],
    [
      { action: "Reject", communities: { values: ["65000:1:2"] } },
      "if ((65000,1,2) ~ bgp_large_community) then { reject; }",
    ],
    [
      { action: "Reject", asPathPrefix: [65001, 65002] },
      "if (bgp_path ~ [= 65001 65002 * =]) then { reject; }",
    ],
    [
      { action: "Accept", priority: 512, operations: [{ addCommunity: { value: "65000:100" } }] },
      "if (defined(bgp_local_pref)) && (bgp_local_pref = 2147483135) then { bgp_community.add((65000,100)); accept; }",
    ],
    [
      {
        action: "Accept",
        operations: [{ prependASPath: { prefix: [1, 2] } }, { setPriority: { value: 512 } }],
      },
      "{ bgp_path.prepend(2); bgp_path.prepend(1); bgp_local_pref = 2147483135; krt_metric = 512; accept; }",
    ],
  ])("renders %j", (rule, expected) => {
    expect(body(rule)).toBe(expected);
  });

  it("matches the elevated priority by the whole band, of each family its own, and any other by itself", () => {
    const elevated = { 4: { first: 512, last: 481 }, 6: { first: 100, last: 69 } };
    const exportRules = (priority: number) => {
      const rule = { action: "Accept", priority } as const;
      const { text } = birdConfiguration(
        speaker({
          elevated,
          peers: [{ ...tor, spec: { ...tor.spec, filters: ["f"] } }],
          filters: [{ name: "f", spec: { exportV4: [rule], exportV6: [rule] } }],
        }),
      );
      return [4, 6].map((family) => section(text, `function 'export${family}.f'`).split("\n")[2]?.trim());
    };
    const one = (preference: number) =>
      `if (defined(bgp_local_pref)) && (bgp_local_pref = ${preference}) then { accept; }`;
    const band = (from: number, to: number) =>
      `if (defined(bgp_local_pref)) && (bgp_local_pref >= ${from}) && (bgp_local_pref <= ${to}) then { accept; }`;
    expect(exportRules(512)).toEqual([band(2147483135, 2147483166), one(2147483135)]);
    expect(exportRules(100)).toEqual([one(2147483547), band(2147483547, 2147483578)]);
    expect(exportRules(1024)).toEqual([one(2147482623), one(2147482623)]);
  });

  it("weighs an elevated route before an import rule accepts it", () => {
    expect(body({ action: "Accept", operations: [{ setPriority: { value: 512 } }] }, "importV4")).toBe(
      "{ bgp_local_pref = 2147483135; krt_metric = 512; prefer_elevated4(); accept; }",
    );
  });

  it.each<[BgpFilterRule, string]>([
    [{ action: "Accept", cidr: "fd00::/8", matchOperator: "In" }, "cidr"],
    [{ action: "Accept", cidr: "10.0.0.0/8" }, "matchOperator"],
    [{ action: "Accept", prefixLength: { min: 1 } }, "prefixLength"],
    [{ action: "Accept", interface: 'x" then accept; #' }, "interface"],
    [{ action: "Accept", communities: { values: ["70000:1"] } }, "communities"],
    [{ action: "Accept", priority: 0 }, "priority"],
    [{ action: "Reject", operations: [{ setPriority: { value: 1 } }] }, "operations"],
    [{ action: "Accept", operations: [{}] }, "operations[0]"],
  ])("leaves out and reports %j", (rule, part) => {
    const { text, problems } = render(rule);
    expect(problems).toMatchObject([{ object: "BGPFilter/f", field: `spec.exportV4[0].${part}` }]);
    expect(section(text, "function 'export4.f'").split("\n")[2]).toBe("}");
  });
});

it("never lets a hostile text become syntax", { timeout: 60_000 }, () => {
  const hostile = fc.oneof(
    fc.string({ unit: "binary", maxLength: 40 }),
    fc.constantFrom("'; accept; #", '"\n}', "a}b{c", "*/"),
  );
  fc.assert(
    fc.property(hostile, hostile, hostile, (name, other, secret) => {
      const names = new Set<string>();
      const { text } = birdConfiguration(
        speaker({
          nodes: [{ name: other, ipv4: "10.10.9.9" }],
          configuration: {
            ignoredInterfaces: [other],
            prefixAdvertisements: [{ cidr: name, communities: [other] }],
            logSeverityScreen: name,
          },
          peers: [
            {
              name,
              spec: { ...tor.spec, filters: [name], password: { secretKeyRef: { name: "a", key: "b" } } },
            },
          ],
          filters: [
            { name, spec: { exportV4: [{ action: "Accept", interface: other }, { action: "Reject" }] } },
          ],
          passwords: { "a/b": secret },
          blocks: [name, "10.244.1.0/26"],
        }),
      );
      // Outside quotes only our own alphabet appears, and braces balance.
      const bare = text
        .replace(/^#.*$/gm, "")
        .replace(/^ +#.*$/gm, "")
        .replace(/"[^"\n]*"|'[^'\n]*'/g, "Q");
      expect(bare).toMatch(/^[\w\s{}[\]().,:;=!<>&|~*+/-]*$/);
      expect([...bare].filter((c) => c === "{").length).toBe([...bare].filter((c) => c === "}").length);
      for (const [, symbol] of text.matchAll(/^(?:function|protocol bgp) ('[^']*')/gm)) {
        expect(symbol).toMatch(/^'[\w.:-]{1,63}'$/);
        expect(names.has(symbol!)).toBe(false);
        names.add(symbol!);
      }
    }),
    { numRuns: 100 },
  );
});

it("derives a router ID for a node without IPv4, the same each time and never zero", () => {
  const id = routerIdOf({ node: { name: "six", ipv6: "fd00::1" } });
  expect(id).toBe(routerIdOf({ node: { name: "six", ipv6: "fd00::2" } }));
  expect(id).toMatch(/^[1-9]\d*(\.\d+){3}$/);
  expect(routerIdOf({ routerId: "192.0.2.7", node: { name: "a", ipv4: "10.0.0.1" } })).toBe("192.0.2.7");
});
