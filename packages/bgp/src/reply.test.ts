import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { ReplyReader } from "./reply.ts";
import { parseProtocols, parseRoutes, parseStatus } from "./reply-parser.ts";

const linesOf = (text: string) => new ReplyReader().push(text).flat();

const status = `1000-BIRD 2.0.12
1011-Router ID is 192.0.2.1
 Hostname is node1
 Current server time is 2026-01-01 12:00:00.000
0013 Daemon is up and running
`;

const protocols = `2002-Name       Proto      Table      State  Since         Info
1002-device1    Device     ---        up     12:00:00.000
1006-
1002-tor4       BGP        ---        up     12:00:01.000  Established
1006-  BGP state:          Established
     Neighbor address: 192.0.2.21
     Neighbor AS:      64512
   Channel ipv4
     Routes:         3 imported, 1 filtered, 2 exported, 3 preferred
   Channel ipv6
     Routes:         1 imported, 5 exported, 1 preferred
1002-tor6       BGP        ---        start  2026-01-01  Active        Socket: Connection refused
1006-  BGP state:          Active
0000 
`;

const routes = `1007-Table master4:
 10.244.0.5/32        unicast [tor4 12:00:00.000] * (100) [i]
1007-	via 192.0.2.21 on eth0
1008-	Type: BGP univ
1012-	BGP.next_hop: 192.0.2.21
 	BGP.local_pref: 2147483135
 	BGP.large_community: (64512, 1, 512) (64512, 2, 3)
1007-                     unicast [kernel4 12:00:00.000] (10)
1007-	dev cali0
1008-	Type: inherit univ
1012-	Kernel.metric: 1024
1007-10.244.1.0/24        blackhole [static1 12:00:00.000] * (200)
0000 
`;

describe("ReplyReader", () => {
  it("gives the same replies however the bytes are cut", () => {
    const text = status + protocols + routes;
    const whole = new ReplyReader().push(text);
    expect(whole).toHaveLength(3);
    fc.assert(
      fc.property(fc.array(fc.nat(text.length)), (places) => {
        const cuts = [0, ...places.sort((a, b) => a - b), text.length];
        const reader = new ReplyReader();
        expect(cuts.slice(1).flatMap((end, i) => reader.push(text.slice(cuts[i], end)))).toEqual(whole);
      }),
    );
  });

  it("leaves out what nobody asked for", () => {
    expect(new ReplyReader().push("+note\n0013 up\n")).toEqual([[{ code: 13, text: "up" }]]);
  });

  it.each(["HTTP/1.1 400 Bad Request\n", " continues nothing\n", "x".repeat(1_000_001)])(
    "refuses what is not BIRD",
    (text) => {
      expect(() => new ReplyReader().push(text)).toThrow(
        expect.objectContaining({ code: "UnexpectedReply" }),
      );
    },
  );
});

describe("parseStatus", () => {
  it("reads version, router ID and state", () => {
    expect(parseStatus(linesOf(status))).toEqual({
      version: "2.0.12",
      routerId: "192.0.2.1",
      state: "running",
    });
  });

  it.each([
    ["0013 Reconfiguration in progress\n", "reconfiguring"],
    ["0013 Shutdown in progress\n", "stopping"],
    ["0013-Daemon is up and running\n0024 Graceful restart recovery in progress\n", "recovering"],
  ])("%s", (text, state) => {
    expect(parseStatus(linesOf(text)).state).toBe(state);
  });
});

it("parseProtocols reads state, neighbour, and the routes of all channels together", () => {
  const tor = { type: "BGP", up: true, info: "Established" };
  expect(parseProtocols(linesOf(protocols))).toEqual([
    { name: "device1", type: "Device", up: true, info: "" },
    {
      name: "tor4",
      ...tor,
      neighbour: { address: "192.0.2.21", asNumber: 64512 },
      routes: { imported: 4, exported: 7 },
    },
    { name: "tor6", type: "BGP", up: false, info: "Active Socket: Connection refused" },
  ]);
});

it("parseRoutes reads every route of a network, with its next hop and attributes", () => {
  const network = "10.244.0.5/32";
  expect(parseRoutes(linesOf(routes))).toEqual([
    {
      network,
      primary: true,
      protocol: "tor4",
      source: "BGP",
      nextHop: "192.0.2.21",
      preference: 100,
      communities: ["64512:1:512", "64512:2:3"],
      via: "192.0.2.21",
      interface: "eth0",
      localPreference: 2147483135,
    },
    {
      network,
      primary: false,
      protocol: "kernel4",
      source: "inherit",
      preference: 10,
      communities: [],
      interface: "cali0",
      kernelMetric: 1024,
    },
    { network: "10.244.1.0/24", primary: true, protocol: "static1", preference: 200, communities: [] },
  ]);
});
