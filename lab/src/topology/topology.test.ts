import { describe, expect, it } from "vitest";
import { defaultTopology } from "../first/paths.ts";
import { boundFile, parseTopology, readTopology } from "./topology.ts";
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

  it("takes kind linux with an image of FRR for a router that runs FRR", () => {
    const { nodes } = parse(
      "name: t\ntopology:\n  nodes: { a: { image: 'frrouting/frr:v8.4.1', binds: ['a/daemons:/etc/frr/daemons', '/y/f:/etc/frr/frr.conf:ro'] },\n" +
        "    b: { image: somebody/frr-exporter } }\n",
    );
    expect(nodes.map(({ kind, role }) => `${kind} ${role}`)).toEqual(["frr router", "linux client"]);
    expect(nodes[0]?.binds).toEqual([
      { source: "/x/a/daemons", target: "/etc/frr/daemons", isReadOnly: false },
      { source: "/y/f", target: "/etc/frr/frr.conf", isReadOnly: true },
    ]);
  });

  it("finds the host's file behind a bound directory, and the last bind of one path", () => {
    const { nodes } = parse("name: t\ntopology:\n  nodes: { a: { binds: ['etc:/e/', 'own:/e/f'] } }\n");
    const { binds } = nodes[0]!;
    expect(boundFile(binds, "/e/g/h")).toBe("/x/etc/g/h");
    expect(boundFile(binds, "/e/f")).toBe("/x/own");
    expect(boundFile(binds, "/else")).toBeUndefined();
  });

  it.each([
    ["name: Not A Label\ntopology: { nodes: { a: {} } }", /name/],
    ["name: t\ntopology: { nodes: { a: { kind: cisco } } }", /topology\.nodes\.a\.kind/],
    ["name: t\nsurprise: 1\ntopology: { nodes: {} }", /surprise/],
    ["name: t\ntopology: { nodes: { a: { kind: bird } } }", /startup-config/],
    ["name: t\ntopology: { nodes: { a: { image: 'frr:latest' } } }", /binds its \/etc\/frr\/daemons/],
    ["name: t\ntopology: { nodes: { a: { binds: ['x'] } } }", /binds: "x" is not source:target/],
    ["name: t\ntopology: { nodes: { a: { binds: ['x:/y:z'] } } }", /is not source:target/],
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
