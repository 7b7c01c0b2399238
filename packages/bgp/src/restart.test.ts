import { expect, it } from "vitest";
import { birdConfiguration } from "./configuration.ts";
import { parseProtocols } from "./reply-parser.ts";
import { isRestartUnnoticed, restartsProtocols } from "./restart.ts";
import { speaker } from "./speaker.fixture.ts";
import type { BgpPeer, Speaker } from "./speaker.ts";

const peer = (more: Partial<BgpPeer["spec"]> = {}, name = "tor4"): BgpPeer => ({
  name,
  spec: { peerIP: name === "tor4" ? "10.10.1.1" : "fd00:10:1::1", asNumber: 64512, ...more },
});
const textOf = (change: Partial<Speaker>) =>
  birdConfiguration(
    speaker({
      node: { name: "n1", ipv4: "10.10.1.2", ipv6: "fd00:10:1::2" },
      peers: [peer(), peer({}, "tor6")],
      ...change,
    }),
  ).text;
const before = textOf({});

it.each<[string, Partial<Speaker>, boolean]>([
  ["nothing", {}, false],
  ["blocks and pools", { blocks: ["10.244.9.0/26"], pools: [{ cidr: "10.9.0.0/16" }] }, false],
  [
    "a neighbour that comes",
    { peers: [peer(), peer({}, "tor6"), peer({ peerIP: "192.0.2.9" }, "new")] },
    false,
  ],
  ["a neighbour that goes", { peers: [peer()] }, false],
  [
    "filters",
    {
      peers: [peer({ filters: ["f"] }), peer({}, "tor6")],
      filters: [{ name: "f", spec: { exportV4: [{ action: "Reject" }], importV4: [{ action: "Accept" }] } }],
    },
    false,
  ],
  ["a session's time", { peers: [peer({ keepaliveTime: "20s" }), peer({}, "tor6")] }, true],
  ["a session's AS number", { peers: [peer(), peer({ localASNumber: 64999 }, "tor6")] }, true],
  ["the node's address", { node: { name: "n1", ipv4: "10.10.1.3", ipv6: "fd00:10:1::2" } }, true],
  ["the metric of routes in the kernel", { configuration: { ipv6NormalRoutePriority: 2000 } }, true],
])("whether BIRD ends protocols that it has when what changes is %s", (_, change, expected) =>
  expect(restartsProtocols(before, textOf(change))).toBe(expected),
);

it("a release that renders all sessions otherwise ends them", () => {
  expect(restartsProtocols(before, before.replace("connect retry time 5", "connect retry time 6"))).toBe(
    true,
  );
  expect(restartsProtocols(before, before.replaceAll("gateway recursive;", "gateway direct;"))).toBe(true);
});

it("a restart is not noticed where each neighbour is there and keeps routes", () => {
  const session = (info: string, capabilities: readonly string[]) =>
    parseProtocols([
      { code: 1002, text: `bgp4.tor BGP ---        up     01:19:20.993  ${info}` },
      ...["    Local capabilities", "      Graceful restart", ...capabilities].map((text) => ({
        code: 1006,
        text,
      })),
    ]);
  const keeping = session("Established", ["    Neighbor capabilities", "      Graceful restart"]);
  const forgetful = session("Established", ["    Neighbor capabilities", "      Route refresh"]);
  const absent = session("Active", []);
  const kernel = parseProtocols([{ code: 1002, text: "kernel4 Kernel master4 up 01:19:20.993" }]);
  expect(isRestartUnnoticed([...kernel, ...keeping, ...keeping])).toBe(true);
  expect(isRestartUnnoticed([...keeping, ...forgetful])).toBe(false);
  expect(isRestartUnnoticed([...keeping, ...absent])).toBe(false);
});
