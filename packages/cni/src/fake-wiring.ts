import { CniError } from "./error.ts";
import type { Absence } from "./lingering.ts";
import type { Wired, Wiring, WiringRequest } from "./wiring.ts";

/** A kernel with interfaces only. */
export interface FakeWiring extends Wiring {
  /** What is there, by host-side interface. */
  readonly links: ReadonlyMap<string, WiringRequest & Wired>;
  /** What `forget` was asked, in order. */
  readonly forgotten: readonly Absence[];
  /** The next call of `attach` throws this. */
  failNext?: Error;
  /** The namespace at a path ends, and with it every pair that has an end there. */
  end(netns: string): void;
}

/** Interfaces in memory. */
export function createFakeWiring(): FakeWiring {
  const links = new Map<string, WiringRequest & Wired>();
  const forgotten: Absence[] = [];
  let index = 100;

  function makeRoom({ hostInterface, containerInterface, netns, replaces = [] }: WiringRequest): void {
    const present = links.get(hostInterface);
    if (present && present.netns !== netns && !replaces.includes(present.linkIndex))
      throw refused(`interface ${hostInterface} is on the node already and is not this pod's`);
    links.delete(hostInterface);
    const occupant = [...links.values()].find(
      (link) => link.netns === netns && link.containerInterface === containerInterface,
    );
    if (occupant)
      throw refused(`namespace ${netns} has an interface ${containerInterface} that is not of this network`);
  }

  const fake: FakeWiring = {
    links,
    forgotten,
    async attach(request) {
      const { failNext } = fake;
      delete fake.failNext;
      if (failNext) throw failNext;
      makeRoom(request);
      index += 1;
      const wired = { linkIndex: index, mac: request.mac ?? "02:00:00:00:00:01", mtu: request.mtu ?? 1500 };
      links.set(request.hostInterface, { ...request, ...wired });
      return wired;
    },
    async look({ hostInterfaces, netns }) {
      return hostInterfaces.flatMap((name) => {
        const link = links.get(name);
        return link
          ? {
              hostInterface: name,
              linkIndex: link.linkIndex,
              leadsThere: netns !== "" && link.netns === netns,
            }
          : [];
      });
    },
    async detach({ hostInterface, linkIndex }) {
      const present = links.get(hostInterface);
      if (present && (linkIndex === undefined || present.linkIndex === linkIndex))
        links.delete(hostInterface);
    },
    end(netns) {
      for (const [name, link] of links) if (link.netns === netns) links.delete(name);
    },
    forget: async (request) => void forgotten.push(request),
    inspect: async (request) =>
      links.has(request.hostInterface) ? [] : [`host interface ${request.hostInterface} is missing`],
  };
  return fake;
}

const refused = (message: string) => new CniError("WiringFailed", message, "see whose it is");
