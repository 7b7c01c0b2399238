import type { Attachment } from "@fairlead/cni";
import type { RoutePriority } from "./migration.ts";
import type { Announcement, Ear, EndpointRoutes, Rivalry, Rivals } from "./migration-components.ts";

/** An attachment of VM vm1's pod `name`, as ADD leaves it. */
export function fakeAttachment(name: string, more: Partial<Attachment> = {}): Attachment {
  return {
    containerId: `container-${name}`,
    ifName: "eth0",
    generation: 1,
    network: "k8s-pod-network",
    netns: `/run/netns/${name}`,
    pod: { namespace: "default", name, uid: `uid-${name}` },
    hostInterface: `cali-${name}`,
    linkIndex: 7,
    mac: "02:00:00:00:00:01",
    addresses: ["10.244.0.1", "fd00:10:244::1"],
    vm: { name: "vm1", vmUid: "vm-uid", vmiUid: "vmi-uid" },
    role: "workload",
    endpointStatusDir: "/run/endpoint-status",
    step: "ready",
    ...more,
  };
}

/** The kernel's routes: they outlive the agent. `history` has every change. */
export interface FakeRoutes extends EndpointRoutes {
  readonly kernel: Map<string, RoutePriority>;
  readonly history: [hostInterface: string, priority: RoutePriority][];
  /** Ranks of elevated routes, as last set. */
  readonly ranks: Map<string, number>;
}

export function createFakeRoutes(): FakeRoutes {
  const kernel = new Map<string, RoutePriority>();
  const history: [string, RoutePriority][] = [];
  const ranks = new Map<string, number>();
  return {
    kernel,
    history,
    ranks,
    set({ hostInterface }, priority, { rank = 0 } = {}) {
      if ((kernel.get(hostInterface) ?? "withdrawn") !== priority) history.push([hostInterface, priority]);
      kernel.set(hostInterface, priority);
      ranks.set(hostInterface, priority === "elevated" ? rank : 0);
    },
    rankOf: ({ hostInterface }) => ranks.get(hostInterface) ?? 0,
    read: ({ hostInterface }) => kernel.get(hostInterface) ?? "withdrawn",
    remove: ({ hostInterface }) => void kernel.delete(hostInterface),
  };
}

/** Rivals that the test names. */
export interface FakeRivals extends Rivals {
  /** By host interface; absent: none. */
  readonly known: Map<string, Rivalry>;
}

export function createFakeRivals(): FakeRivals {
  const known = new Map<string, Rivalry>();
  return {
    known,
    look: async ({ hostInterface }) => known.get(hostInterface) ?? { rank: 0, isPresent: false },
  };
}

/** Ears that hear what the test says. */
export interface FakeEar extends Ear {
  readonly open: ReadonlyMap<string, (heard: Announcement) => void>;
  /** With which rank each listens or listened last. */
  readonly ranks: ReadonlyMap<string, number>;
  announce(attachment: Attachment): void;
  /** The guest is heard, but the main loop has not been told yet. */
  announceUnnoticed(attachment: Attachment): void;
}

const rarp: Announcement = { kind: "rarp", mac: "02:00:00:00:00:01", at: 1n };

export function createFakeEar(): FakeEar {
  const open = new Map<string, (heard: Announcement) => void>();
  const unnoticed = new Set<string>();
  const ranks = new Map<string, number>();
  return {
    open,
    ranks,
    listen({ hostInterface }, rank, onHeard) {
      ranks.set(hostInterface, rank);
      open.set(hostInterface, onHeard);
      const read = () => (unnoticed.has(hostInterface) ? { ...rarp, elevatedAt: 2n } : undefined);
      return {
        ready: Promise.resolve(),
        isCurrent: () => true,
        read,
        stop() {
          const heard = read();
          open.delete(hostInterface);
          unnoticed.delete(hostInterface);
          return heard;
        },
      };
    },
    announce({ hostInterface }) {
      const onHeard = open.get(hostInterface);
      open.delete(hostInterface);
      onHeard?.(rarp);
    },
    announceUnnoticed: ({ hostInterface }) => void (open.has(hostInterface) && unnoticed.add(hostInterface)),
  };
}
