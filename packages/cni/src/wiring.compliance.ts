import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { Wiring, WiringRequest } from "./wiring.ts";

/** A node without pods, with namespaces `a` and `b`. */
export interface WiringSubject extends AsyncDisposable {
  readonly wiring: Wiring;
  /** Path of a namespace. */
  path(pod: string): string;
  /** The namespace ends; its path remains free. */
  end(pod: string): void;
  /** Names of the host-side interfaces. */
  onNode(): readonly string[];
}

const name = "cali0000000000a";
const others = "cali0000000000b";

/** Whose links are whose: what the kernel's wiring does, and the fake with which the plug-in is tested. */
export function describeWiring(title: string, open: () => WiringSubject): void {
  describe(title, () => {
    let subject: WiringSubject;
    let wiring: Wiring;
    beforeEach(() => {
      subject = open();
      ({ wiring } = subject);
    });
    afterEach(() => subject[Symbol.asyncDispose]());

    const requestOf = (pod: string, more: Partial<WiringRequest> = {}): WiringRequest => ({
      netns: subject.path(pod),
      containerInterface: "eth0",
      hostInterface: name,
      addresses: ["10.244.0.5", "fd00:10:244::5"],
      queues: 1,
      allowIpForwarding: false,
      ...more,
    });
    const refused = (why: string) => ({ code: "WiringFailed", message: expect.stringContaining(why) });

    it("makes a pair anew over what an earlier try left in the same namespace", async () => {
      const first = await wiring.attach(requestOf("a"));
      const second = await wiring.attach(requestOf("a"));
      expect(second.linkIndex).not.toBe(first.linkIndex);
      expect(subject.onNode()).toEqual([name]);
      expect(await wiring.inspect(requestOf("a"))).toEqual([]);
    });

    it("leaves a link of the name that leads elsewhere, and its pod what it has", async () => {
      await wiring.attach(requestOf("b"));
      await expect(wiring.attach(requestOf("a"))).rejects.toMatchObject(refused("is on the node already"));
      await expect(wiring.attach(requestOf("a", { replaces: [1, 4711] }))).rejects.toThrow();
      expect(subject.onNode()).toEqual([name]);
      expect(await wiring.inspect(requestOf("b"))).toEqual([]);
    });

    it("takes the name over from a link that is to be replaced", async () => {
      const { linkIndex } = await wiring.attach(requestOf("b"));
      await wiring.attach(requestOf("a", { replaces: [linkIndex] }));
      expect(await wiring.look({ hostInterfaces: [name], netns: subject.path("a") })).toMatchObject([
        { leadsThere: true },
      ]);
      expect(subject.onNode()).toEqual([name]);
    });

    it("leaves an interface that the namespace has already", async () => {
      await wiring.attach(requestOf("b", { hostInterface: others }));
      await expect(wiring.attach(requestOf("b"))).rejects.toMatchObject(refused("has an interface eth0"));
      expect(subject.onNode()).toEqual([others]);
      expect(await wiring.inspect(requestOf("b", { hostInterface: others }))).toEqual([]);
    });

    it("removes a pair by name and index, and leaves one that has only the name", async () => {
      const { linkIndex } = await wiring.attach(requestOf("a"));
      await wiring.detach({ hostInterface: name, linkIndex: linkIndex + 1 });
      await wiring.detach({ hostInterface: others, linkIndex });
      expect(subject.onNode()).toEqual([name]);
      await wiring.detach({ hostInterface: name, linkIndex });
      await wiring.detach({ hostInterface: name, linkIndex });
      expect(subject.onNode()).toEqual([]);
      await wiring.attach(requestOf("a"));
      await wiring.detach({ hostInterface: name });
      expect(subject.onNode()).toEqual([]);
    });

    it("says of each link that exists whether it leads into a namespace", async () => {
      const own = (await wiring.attach(requestOf("a"))).linkIndex;
      const { linkIndex } = await wiring.attach(requestOf("b", { hostInterface: others }));
      const look = async (netns: string) => {
        const ends = await wiring.look({ hostInterfaces: [name, others, "cali0000000000c"], netns });
        return ends.map((end) => [end.hostInterface, end.linkIndex, end.leadsThere]);
      };
      const both = (toA: boolean, toB: boolean) => [
        [name, own, toA],
        [others, linkIndex, toB],
      ];
      expect(await look(subject.path("a"))).toEqual(both(true, false));
      expect(await look(subject.path("b"))).toEqual(both(false, true));
      for (const nowhere of ["", subject.path("never")])
        expect(await look(nowhere)).toEqual(both(false, false));
    });

    it("loses a pair with the namespace of its other end", async () => {
      await wiring.attach(requestOf("a"));
      subject.end("a");
      await expect.poll(() => subject.onNode()).toEqual([]);
      expect(await wiring.look({ hostInterfaces: [name], netns: subject.path("a") })).toEqual([]);
      await wiring.detach({ hostInterface: name, linkIndex: 100 });
    });
  });
}
