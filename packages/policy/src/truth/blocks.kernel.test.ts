import { truthTable } from "./truth-table.ts";
import {
  all,
  anyWay,
  blocks,
  but,
  everyPodIn,
  from,
  ingress,
  nobody,
  onPorts,
  pod,
  pods,
} from "./vocabulary.ts";

/** 10.65.0.0/24 has the pods in it, 10.65.0.4/30 those from y/a to z/a. */
truthTable("who reaches x/a, by address", "to", [
  {
    name: "one pod's addresses",
    policies: { "x/p": ingress(from(...blocks("10.65.0.2/32", "fd00:65::2/128"))) },
    reached: anyWay(["x/b"]),
  },
  {
    name: "everywhere",
    policies: { "x/p": ingress(from(...blocks("0.0.0.0/0", "::/0"))) },
    reached: anyWay(all),
  },
  {
    name: "the pods' network",
    policies: { "x/p": ingress(from(...blocks("10.65.0.0/24", "fd00:65::/64"))) },
    reached: anyWay(pods),
  },
  {
    name: "the world's network",
    policies: { "x/p": ingress(from(...blocks("192.0.2.0/24", "2001:db8::/64"))) },
    reached: anyWay(["world"]),
  },
  {
    name: "a network nobody is in",
    policies: { "x/p": ingress(from(...blocks("203.0.113.0/24", "2001:db8:ff::/48"))) },
    reached: anyWay(nobody),
  },
  {
    name: "a network written with bits beyond its length",
    policies: { "x/p": ingress(from(...blocks("10.65.0.6/30", "fd00:65::6/126"))) },
    reached: anyWay(["y/a", "y/b", "y/c", "z/a"]),
  },
  {
    name: "everywhere except some",
    policies: {
      "x/p": ingress(from(...blocks("0.0.0.0/0", "::/0", ["10.65.0.4/30"], ["fd00:65::4/126"]))),
    },
    reached: anyWay(but("y/a", "y/b", "y/c", "z/a")),
  },
  {
    name: "everywhere except the pods",
    policies: {
      "x/p": ingress(from(...blocks("0.0.0.0/0", "::/0", ["10.65.0.0/24"], ["fd00:65::/64"]))),
    },
    reached: anyWay(["world"]),
  },
  {
    name: "two exceptions",
    policies: {
      "x/p": ingress(
        from(
          ...blocks(
            "10.65.0.0/24",
            "fd00:65::/64",
            ["10.65.0.2/32", "10.65.0.8/31"],
            ["fd00:65::2/128", "fd00:65::8/127"],
          ),
        ),
      ),
    },
    reached: anyWay(["x/c", "y/a", "y/b", "y/c", "z/a"]),
  },
  {
    name: "exceptions that touch",
    policies: {
      "x/p": ingress(
        from(
          ...blocks(
            "10.65.0.0/24",
            "fd00:65::/64",
            ["10.65.0.2/31", "10.65.0.4/31"],
            ["fd00:65::2/127", "fd00:65::4/127"],
          ),
        ),
      ),
    },
    reached: anyWay(["y/c", "z/a", "z/b", "z/c"]),
  },
  {
    name: "an exception that is the whole block",
    policies: {
      "x/p": ingress(from(...blocks("10.65.0.0/24", "fd00:65::/64", ["10.65.0.0/24"], ["fd00:65::/64"]))),
    },
    reached: anyWay(nobody),
  },
  {
    name: "Kube-OVN ipBlock.except: an exception holds in its own block only",
    policies: {
      "x/p": ingress(
        from(
          ...blocks("10.65.0.0/24", "fd00:65::/64", ["10.65.0.2/32"], ["fd00:65::2/128"]),
          ...blocks("10.65.0.2/32", "fd00:65::2/128"),
        ),
      ),
    },
    reached: anyWay(pods),
  },
  {
    name: "an exception does not reach into another rule",
    policies: {
      "x/p": ingress(
        from(...blocks("10.65.0.0/24", "fd00:65::/64", ["10.65.0.2/31"], ["fd00:65::2/127"])),
        from(...blocks("10.65.0.3/32", "fd00:65::3/128")),
      ),
    },
    reached: anyWay(["x/c", "y/a", "y/b", "y/c", "z/a", "z/b", "z/c"]),
  },
  {
    name: "an exception does not reach into another policy",
    policies: {
      "x/p": ingress(from(...blocks("10.65.0.0/24", "fd00:65::/64", ["10.65.0.2/31"], ["fd00:65::2/127"]))),
      "x/q": ingress(from(pod("b"))),
    },
    reached: anyWay(pods.filter((key) => key !== "x/c")),
  },
  {
    name: "blocks that overlap",
    policies: {
      "x/p": ingress(
        from(
          ...blocks("10.65.0.2/31", "fd00:65::2/127"),
          ...blocks("10.65.0.3/32", "fd00:65::3/128"),
          ...blocks("10.65.0.0/30", "fd00:65::/126"),
        ),
      ),
    },
    reached: anyWay(["x/b", "x/c"]),
  },
  {
    name: "a block or pods",
    policies: { "x/p": ingress(from(...blocks("192.0.2.7/32", "2001:db8::7/128"), pod("c"))) },
    reached: anyWay(["x/c", "world"]),
  },
  {
    name: "a block with a port",
    policies: {
      "x/p": ingress({
        ...from(...blocks("10.65.0.4/30", "fd00:65::4/126")),
        ...onPorts({ port: 80 }, { protocol: "UDP", port: 81 }),
      }),
    },
    reached: {
      tcp80: ["y/a", "y/b", "y/c", "z/a"],
      tcp81: nobody,
      udp81: ["y/a", "y/b", "y/c", "z/a"],
      sctp80: nobody,
    },
  },
  {
    name: "the same block for every pod",
    policies: {
      "x/p": everyPodIn({
        policyTypes: ["Ingress"],
        ingress: [from(...blocks("10.65.0.9/32", "fd00:65::9/128"))],
      }),
    },
    reached: anyWay(["z/c"]),
  },
]);
