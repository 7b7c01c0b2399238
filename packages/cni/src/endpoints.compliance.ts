import { beforeEach, describe, expect, it } from "vitest";
import type { Attachment } from "./attachment.ts";
import type { Endpoints } from "./components.ts";

/** Endpoints of a node that has none yet, and the kernel behind them. */
export interface EndpointsSubject {
  readonly endpoints: Endpoints;
  /** Containers that have an endpoint. */
  containers(): readonly string[];
  /** From now on the kernel takes its time with the policy of this pod. */
  delay(pod: string): void;
  /** The kernel acknowledges it. Resolves when that is known. */
  acknowledge(pod: string): Promise<void>;
}

const attachmentOf = (pod: string, more: Partial<Attachment> = {}): Attachment => ({
  containerId: `container-of-${pod}`,
  ifName: "eth0",
  generation: 1,
  network: "k8s-pod-network",
  netns: `/run/netns/${pod}`,
  pod: { namespace: "default", name: pod, uid: `uid-${pod}` },
  hostInterface: `cali-${pod}`,
  linkIndex: 7,
  mac: "02:00:00:00:00:01",
  addresses: ["10.244.0.1", "fd00:10:244::1"],
  role: "workload",
  endpointStatusDir: "/run/status",
  step: "wired",
  ...more,
});

/** What all `Endpoints` do, the agent's and the fake with which the plug-in is tested. */
export function describeEndpoints(name: string, open: () => EndpointsSubject): void {
  describe(name, () => {
    let subject: EndpointsSubject;
    let endpoints: Endpoints;
    const web = attachmentOf("web");
    const later = { ...web, containerId: "later", generation: 2 };
    const never = () => new AbortController().signal;

    beforeEach(() => {
      subject = open();
      ({ endpoints } = subject);
    });

    it("are ready when the kernel has acknowledged their policy, and not before", async () => {
      subject.delay("web");
      expect(endpoints.isReady(web)).toBe(false);
      endpoints.add(web);
      endpoints.wired(web);
      const ready = endpoints.ready(web, never());
      expect(endpoints.isReady(web)).toBe(false);
      await subject.acknowledge("web");
      await ready;
      expect(endpoints.isReady(web)).toBe(true);
    });

    it("are waited for until the signal says why not", async () => {
      subject.delay("web");
      endpoints.add(web);
      const abort = new AbortController();
      const waiting = endpoints.ready(web, abort.signal);
      abort.abort(new Error("policy is late"));
      await expect(waiting).rejects.toThrow("policy is late");
      await expect(endpoints.ready(web, abort.signal)).rejects.toThrow("policy is late");
    });

    it("of one interface are those of the container that was added last", () => {
      endpoints.add(web);
      endpoints.add(later);
      expect(subject.containers()).toEqual(["later"]);
      expect(endpoints.isReady(web)).toBe(false);
    });

    it("stay when the container that is wired or removed is not the present one", async () => {
      endpoints.add(web);
      endpoints.add(later);
      endpoints.wired(web);
      endpoints.remove(web);
      expect(subject.containers()).toEqual(["later"]);
      await subject.acknowledge("web");
      expect([endpoints.isReady(web), endpoints.isReady(later)]).toEqual([false, true]);
    });

    it("are not made by wiring alone", () => {
      endpoints.wired(web);
      expect(subject.containers()).toEqual([]);
    });

    it("of different interfaces do not concern each other", async () => {
      endpoints.add(web);
      endpoints.add(attachmentOf("other"));
      endpoints.remove(web);
      expect(subject.containers()).toEqual(["container-of-other"]);
      await subject.acknowledge("other");
      expect([endpoints.isReady(web), endpoints.isReady(attachmentOf("other"))]).toEqual([false, true]);
    });

    it("may be removed again", () => {
      endpoints.remove(web);
      endpoints.add(web);
      endpoints.remove(web);
      endpoints.remove(web);
      expect(subject.containers()).toEqual([]);
    });
  });
}
