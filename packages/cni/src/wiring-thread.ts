/** The thread of `threaded-wiring.ts`: makes and removes interfaces one after the other, and waits for the kernel in place of the main loop. */
import { NetworkNamespace } from "@fairlead/netlink";
import { report, takeOrders, threadData } from "@fairlead/netlink/thread";
import { asCniError } from "./error.ts";
import { createLinuxWiring } from "./wiring-linux.ts";
import type {
  WiringAnswer,
  WiringCall,
  WiringOrder,
  WiringResult,
  WiringThreadData,
} from "./wiring-messages.ts";

const { node } = threadData<WiringThreadData>();
const wiring = createLinuxWiring(node === undefined ? {} : { node: NetworkNamespace.open({ fd: node }) });

function run({ method, request }: WiringCall): WiringResult {
  switch (method) {
    case "attach":
      return wiring.attach(request);
    case "inspect":
      return wiring.inspect(request);
    case "look":
      return wiring.look(request);
    case "detach":
      wiring.detach(request);
      return undefined;
    case "forget":
      wiring.forget(request);
      return undefined;
  }
}

function answer(order: WiringOrder): WiringAnswer {
  try {
    return { id: order.id, result: run(order) };
  } catch (thrown) {
    const { code, message, remedy } = asCniError(thrown);
    return { id: order.id, error: { code, message, remedy } };
  }
}

takeOrders<WiringOrder>((order) => report(answer(order)));
