import type { WorkloadAssignment } from "@fairlead/ipam";
import { type AddressWishes, readWishes } from "./annotations.ts";
import type { Attachment } from "./attachment.ts";
import { claim } from "./claim.ts";
import type { CniComponents, Workload } from "./components.ts";
import { hide, takeBack } from "./del.ts";
import { writeEndpointStatus } from "./endpoint-status.ts";
import { asAddressError, CniError } from "./error.ts";
import { chooseFamilies } from "./families.ts";
import { correctHolders, giveBack, giveBackGone } from "./give-back.ts";
import { vmMac } from "./interface-name.ts";
import { settleIn } from "./lingering.ts";
import { chooseMtu, readNodeMtu } from "./mtu.ts";
import type { CniRequest } from "./request.ts";
import type { WiredInterface } from "./result.ts";
import { otherSandboxes } from "./sandboxes.ts";
import { startStopwatch } from "./timing.ts";

/** How long ADD waits for policy when the configuration says 0, in seconds: the transaction itself takes milliseconds. */
const shortPolicyWait = 5;

/**
 * ADD: identity, addresses, then wiring and policy side by side. Each step is written to the attachment store before its
 * effect, and whatever fails after the first is taken back, so that a second ADD or a DEL meets no surprise.
 *
 * Earlier sandboxes of the same pod keep their interface and their addresses until the new one is wired; then they give
 * both back, whether or not the runtime ever calls DEL for them. An ordinary pod's sandbox whose interface is gone gives
 * back before, so that a pool with one address left is enough for any number of sandboxes.
 *
 * Policy that is late: the interface passes nothing until it is there, so an ordinary pod is reported as added with a
 * warning. A migration target is refused (error 11, the runtime tries again): its guest must not arrive behind a wall.
 */
export async function add(
  components: CniComponents,
  request: CniRequest & { pod: NonNullable<CniRequest["pod"]> },
  signal: AbortSignal,
): Promise<WiredInterface> {
  const { log, attachments, endpoints } = components;
  signal.throwIfAborted();
  const watch = startStopwatch(request.startedAt);
  const workload = await watch.time("identity", () => components.identity.arriving(request.pod, signal));
  const wishes = readWishes(workload.podAnnotations, workload.namespaceAnnotations, request.config);
  const nodeMtu = readNodeMtu(components, request);
  const previous = attachments.get(request);
  await giveBackGone(components, otherSandboxes(attachments, request), signal);
  const earlier = otherSandboxes(attachments, request);
  let attachment = await claim(components, { request, workload, previous, earlier });
  let isBegun = previous === undefined;
  try {
    const assignment = await watch.time("ipam", () =>
      assign(components, request, workload, wishes, signal, nodeMtu),
    );
    const mtu = chooseMtu(components, request, workload, { nodeMtu, vmMtu: assignment.mtu });
    attachment = {
      ...attachment,
      addresses: assignment.addresses.map(({ address }) => address),
      role: assignment.owner === "alternate" ? "target" : "workload",
      step: "addressed",
    };
    isBegun = true;
    attachments.put(attachment);
    correctHolders(components, attachment);

    const wired = await watch.time("wiring", async () => {
      await settleIn(components, attachment);
      // Their interface is the next to go: from here on nothing attracts traffic to it.
      for (const old of [...earlier, ...(previous ? [previous] : [])]) hide(components, old);
      const mac =
        wishes.hwAddr ??
        assignment.mac ??
        (workload.vm && vmMac({ ...workload.pod, name: workload.vm.name }));
      return components.wiring.attach({
        ...wiringOf(request, attachment),
        replaces: [...earlier, previous].flatMap((old) => old?.linkIndex ?? []),
        ...(mac && { mac }),
        mtu,
      });
    });
    attachment = { ...attachment, linkIndex: wired.linkIndex, mac: wired.mac, step: "wired" };
    attachments.put(attachment);
    endpoints.add(attachment);
    endpoints.wired(attachment);
    await giveBack(components, earlier, signal);

    const annotated = components.annotator.attached(attachment, signal);
    annotated.catch(() => {});
    await watch.time("policy", () => waitForPolicy(components, request, attachment, signal));
    await annotated;
    attachment = { ...attachment, step: "ready" };
    attachments.put(attachment);
    const timing = watch.read();
    components.onTiming?.(timing);
    log.info(
      { pod: podName(attachment), addresses: attachment.addresses, role: attachment.role, timing },
      "ADD done",
    );
    return { ...attachment, containerInterface: request.ifName, mac: wired.mac, mtu: wired.mtu };
  } catch (error) {
    // An ADD that fails before it touched anything leaves what an earlier ADD of the container made.
    if (!isBegun) throw error;
    await takeBack(components, attachment, request).catch((undo) =>
      log.error(
        { pod: podName(attachment), err: undo },
        "ADD failed and could not be taken back; DEL or GC will",
      ),
    );
    throw error;
  }
}

const podName = ({ pod }: Attachment) => `${pod.namespace}/${pod.name}`;

/** What `calico-ipam` does when another plug-in calls it: addresses only. */
export async function assign(
  components: CniComponents,
  request: CniRequest,
  workload: Workload,
  wishes: AddressWishes,
  signal: AbortSignal,
  mtu?: number,
): Promise<WorkloadAssignment> {
  const pools = {
    ...(wishes.ipv4Pools.length > 0 && { 4: wishes.ipv4Pools }),
    ...(wishes.ipv6Pools.length > 0 && { 6: wishes.ipv6Pools }),
  };
  const families = await chooseFamilies(components, wishes);
  try {
    return await components.addresses.assign({
      network: request.config.name,
      containerId: request.containerId,
      node: components.nodeName,
      nodeLabels: workload.nodeLabels,
      namespaceLabels: workload.namespaceLabels,
      pod: workload.pod,
      vm: workload.vm,
      ...families,
      ...(Object.keys(pools).length > 0 && { pools }),
      ...(wishes.ipAddrs.length > 0 && { addresses: wishes.ipAddrs }),
      ...(wishes.hwAddr && { mac: wishes.hwAddr }),
      mtu,
      signal,
    });
  } catch (error) {
    throw asAddressError(error);
  }
}

/** The wiring ADD makes and CHECK looks for. */
export function wiringOf(
  request: CniRequest,
  attachment: Pick<Attachment, "netns" | "hostInterface" | "addresses">,
) {
  return {
    netns: attachment.netns,
    containerInterface: request.ifName,
    hostInterface: attachment.hostInterface,
    addresses: attachment.addresses,
    queues: request.config.num_queues,
    allowIpForwarding: request.config.container_settings.allow_ip_forwarding,
  };
}

async function waitForPolicy(
  { endpoints, log, statusFiles }: CniComponents,
  request: CniRequest,
  attachment: Attachment,
  signal: AbortSignal,
): Promise<void> {
  const seconds = request.config.policy_setup_timeout_seconds || shortPolicyWait;
  const deadline = AbortSignal.timeout(seconds * 1000);
  try {
    await endpoints.ready(attachment, AbortSignal.any([signal, deadline]));
    writeEndpointStatus(attachment, statusFiles);
  } catch (cause) {
    if (!deadline.aborted) throw cause;
    if (attachment.role === "target")
      throw new CniError(
        "TryAgainLater",
        `policy of migration target ${podName(attachment)} is not in force after ${seconds} s`,
        "the runtime tries again; if it persists, look at the agent's policy metrics",
        { cause },
      );
    log.warn(
      { pod: podName(attachment), seconds },
      "policy is late; the interface passes nothing until it is in force",
    );
  }
}
