import type { IpamKind, IpamObject, IpamSpecs } from "./resources.ts";
import { type IpamStore, StoreError } from "./store.ts";

type Shelves = { readonly [K in IpamKind]: Map<string, IpamObject<IpamSpecs[K]>> };

/** A store in this process: for tests, simulations, and programs that keep their addresses to themselves. */
export interface MemoryStore extends IpamStore {
  /** Puts an object in as it is, valid or not, as somebody else might have left it. */
  load<K extends IpamKind>(kind: K, object: IpamObject<IpamSpecs[K]>): void;
}

/** An empty cluster in memory, with conditional writes like the API server's. */
export function createMemoryStore(now: () => Date = () => new Date()): MemoryStore {
  let revision = 0;
  let created = 0;
  const shelves: Shelves = {
    IPPool: new Map(),
    IPAMBlock: new Map(),
    BlockAffinity: new Map(),
    IPAMHandle: new Map(),
    IPAMConfiguration: new Map(),
    IPReservation: new Map(),
  };
  const shelf = <K extends IpamKind>(kind: K): Map<string, IpamObject<IpamSpecs[K]>> => shelves[kind];

  function keep<K extends IpamKind>(
    kind: K,
    object: IpamObject<IpamSpecs[K]>,
    previous?: IpamObject<IpamSpecs[K]>,
  ) {
    const stored: IpamObject<IpamSpecs[K]> = {
      ...object,
      metadata: {
        ...object.metadata,
        uid: previous?.metadata.uid ?? `uid-${++created}`,
        creationTimestamp: previous?.metadata.creationTimestamp ?? now().toISOString(),
        resourceVersion: String(++revision),
      },
    };
    shelf(kind).set(object.metadata.name, stored);
    return stored;
  }

  return {
    load: (kind, object) => void keep(kind, object),
    async get(kind, name) {
      return shelf(kind).get(name);
    },
    async list(kind) {
      return [...shelf(kind).values()];
    },
    async create(kind, object) {
      if (shelf(kind).has(object.metadata.name))
        throw new StoreError("AlreadyExists", `${kind} ${object.metadata.name} exists`);
      return keep(kind, object);
    },
    async replace(kind, object) {
      const previous = shelf(kind).get(object.metadata.name);
      if (!previous || previous.metadata.resourceVersion !== object.metadata.resourceVersion)
        throw new StoreError("Conflict", `${kind} ${object.metadata.name} was written since it was read`);
      return keep(kind, object, previous);
    },
    async remove(kind, { metadata }) {
      const previous = shelf(kind).get(metadata.name);
      if (!previous || previous.metadata.uid !== metadata.uid) return;
      if (previous.metadata.resourceVersion !== metadata.resourceVersion)
        throw new StoreError("Conflict", `${kind} ${metadata.name} was written since it was read`);
      shelf(kind).delete(metadata.name);
    },
  };
}
