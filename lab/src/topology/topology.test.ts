import { describe, expect, it } from "vitest";
import { defaultTopology } from "../first/paths.ts";
import { parseTopology, readTopology } from "./topology.ts";
import { splitWords } from "./words.ts";

const parse = (text: string) => parseTopology(text, "/x/lab.clab.yml");
const two = (links: string) => `name: t\ntopology:\n  nodes: { a: {}, b: {} }\n  links: ${links}\n`;

describe("the default topology", () => {
  const topology = readTopology(defaultTopology);

  it("has three workers, a router with a configuration, and a client", () => {
    expect(topology.nodes.map(({ name, role }) => `${name} ${role}`)).toEqual([
      "node1 worker",
      "node2 worker",
      "node3 worker",
      "tor router",
      "client client",
    ]);
    expect(topology.nodes[3]?.startupConfig).toMatch(/topologies\/three-workers\.tor\.conf$/);
  });

  it("gives every machine its own management addresses", () => {
    const all = topology.nodes.flatMap(({ management }) => [management.ipv4, management.ipv6]);
    expect(new Set(all).size).toBe(10);
    expect(topology.management.ipv4).toEqual({ gateway: "172.20.20.1", length: 24 });
  });
});

describe("parseTopology", () => {
  it("lets a node override its kind and the defaults, and joins labels", () => {
    const { nodes } = parse(
      "name: t\ntopology:\n  defaults: { env: { A: 1 }, labels: { x: d } }\n  kinds: { linux: { labels: { y: k } } }\n" +
        "  nodes: { a: { env: { A: 2 }, labels: { x: n } } }\n",
    );
    expect(nodes[0]).toMatchObject({ env: { A: "2" }, labels: { x: "n", y: "k" }, kind: "linux" });
  });

  it.each([
    ["name: Not A Label\ntopology: { nodes: { a: {} } }", /name/],
    ["name: t\ntopology: { nodes: { a: { kind: cisco } } }", /topology\.nodes\.a\.kind/],
    ["name: t\nsurprise: 1\ntopology: { nodes: {} }", /surprise/],
    ["name: t\ntopology: { nodes: { a: { kind: bird } } }", /startup-config/],
    ['name: t\ntopology: { nodes: { a: { exec: ["ip \'x"] } } }', /is no command/],
    [two('[{ endpoints: ["a:eth1", "c:eth1"] }]'), /no node c/],
    [two('[{ endpoints: ["a:eth0", "b:eth1"] }]'), /management interface/],
    [two('[{ endpoints: ["a:eth1", "a:eth1"] }]'), /used twice/],
    [two('[{ endpoints: ["a", "b:eth1"] }]'), /node:interface/],
    ["{", /lab\.clab\.yml/],
  ])("refuses %j and says where", (text, message) => {
    expect(() => parse(text)).toThrow(message);
  });
});

it.each([
  ["ip addr  add 1/2", ["ip", "addr", "add", "1/2"]],
  ["echo 'a b' \"c d\" e\\ f ''", ["echo", "a b", "c d", "e f", ""]],
  ["a $HOME `x` ; | >", ["a", "$HOME", "`x`", ";", "|", ">"]],
  ["open 'quote", undefined],
])("splits %j into words and knows no shell", (line, words) => {
  expect(splitWords(line)).toEqual(words);
});
