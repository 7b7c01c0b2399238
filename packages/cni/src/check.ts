import { wiringOf } from "./add.ts";
import type { CniComponents } from "./components.ts";
import { CniError } from "./error.ts";
import type { CniRequest } from "./request.ts";
import { addressesOf } from "./result.ts";

/**
 * CHECK: is the container still as ADD left it? Looks at the record, the kernel (interface, MACs, addresses, routes,
 * settings), the policy, and what the runtime remembers of the result.
 *
 * @throws CniError UnknownContainer, CheckFailed
 */
export async function check(components: CniComponents, request: CniRequest): Promise<void> {
  const attachment = components.attachments.get(request);
  if (!attachment || attachment.linkIndex === undefined)
    throw new CniError(
      "UnknownContainer",
      `container ${request.containerId} has no interface ${request.ifName} of ours`,
      "delete the pod; its controller makes a new one",
    );
  const { hostInterface, linkIndex } = attachment;
  // A rebuilt attachment does not know the path.
  const netns = attachment.netns || request.netns;
  const [end] = await components.wiring.look({ hostInterfaces: [hostInterface], netns });
  const isOthers = end !== undefined && (end.linkIndex !== linkIndex || !end.leadsThere);
  const differences = [
    ...(isOthers ? [`host interface ${hostInterface} is not the one that ADD made`] : []),
    ...(await components.wiring.inspect({
      ...wiringOf(request, { ...attachment, netns }),
      ...(attachment.mac && { mac: attachment.mac }),
    })),
    ...(components.endpoints.isReady(attachment) ? [] : ["its policy is not in force"]),
    ...compareResult(request.config.prevResult, attachment.addresses),
  ];
  if (differences.length === 0) return;
  throw new CniError(
    "CheckFailed",
    `pod ${attachment.pod.namespace}/${attachment.pod.name}: ${differences.join("; ")}`,
    "delete the pod; its controller makes a new one",
  );
}

function compareResult(previous: unknown, addresses: readonly string[]): readonly string[] {
  if (previous === undefined) return [];
  const told = addressesOf(previous);
  const missing = addresses.filter((address) => !told.includes(address));
  return missing.map((address) => `the runtime's result lacks ${address}`);
}
