/** Numbers of linux/netlink.h, linux/netfilter/nfnetlink.h and linux/netfilter/nf_tables.h, grouped by what they belong to. */
export const netlink = {
  error: 2,
  done: 3,
  request: 1,
  multi: 2,
  ack: 4,
  dump: 0x300,
  create: 0x400,
  append: 0x800,
};

export const subsystem = 10 << 8;
export const batch = { begin: 16, end: 17, generation: 1, resource: 10 };

export const message = {
  newTable: 0,
  getTable: 1,
  delTable: 2,
  newChain: 3,
  getChain: 4,
  delChain: 5,
  newRule: 6,
  getRule: 7,
  delRule: 8,
  newSet: 9,
  getSet: 10,
  delSet: 11,
  newElement: 12,
  getElement: 13,
  delElement: 14,
  newGeneration: 15,
  getGeneration: 16,
};

export const family = { inet: 1, ipv4: 2, arp: 3, ipv6: 10 };

/** `owner` locks other programs out; `persist` keeps the table when its owner's socket closes (Linux 6.9). */
export const tableFlags = { owner: 2, persist: 4 };
export const setFlags = { interval: 4, map: 8, concatenation: 0x80 };
export const elementFlags = { intervalEnd: 1 };
export const verdictType = 0xffffff00;

export const verdicts = { drop: 0, accept: 1, jump: -3, goto: -4, return: -5 };
export const comparisons = { "==": 0, "!=": 1, "<": 2, "<=": 3, ">": 4, ">=": 5 };

export const hooks = { prerouting: 0, input: 1, forward: 2, output: 3, postrouting: 4 };
/** The ARP family counts its hooks on its own. */
export const arpHooks = { prerouting: -1, input: 0, forward: 2, output: 1, postrouting: -1 };

export const attribute = {
  table: { name: 1, flags: 2, userdata: 6 },
  chain: { table: 1, handle: 2, name: 3, hook: 4, policy: 5, type: 7, flags: 10, userdata: 12 },
  hook: { number: 1, priority: 2 },
  rule: { table: 1, chain: 2, handle: 3, expressions: 4, userdata: 7 },
  set: {
    table: 1,
    name: 2,
    flags: 3,
    keyType: 4,
    keyLength: 5,
    dataType: 6,
    dataLength: 7,
    description: 9,
    id: 10,
    userdata: 13,
  },
  description: { size: 1, concatenation: 2 },
  field: { length: 1 },
  elements: { table: 1, set: 2, list: 3 },
  element: { key: 1, data: 2, flags: 3, keyEnd: 10 },
  data: { value: 1, verdict: 2 },
  verdict: { code: 1, chain: 2 },
  list: { item: 1 },
  expression: { name: 1, data: 2 },
  generation: { id: 1, pid: 2, name: 3 },
};
