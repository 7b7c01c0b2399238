/** For `precedence.kernel.test.ts`: takes precedence, and tells its own line of /proc and its slice (ns; empty where the kernel has none). */
import { readFileSync } from "node:fs";
import { report, takeOrders, takePrecedence } from "./thread.ts";

takeOrders(() => {
  takePrecedence();
  const scheduling = (() => {
    try {
      return readFileSync("/proc/thread-self/sched", "utf8");
    } catch {
      return "";
    }
  })();
  const slice = /^se\.slice\s*:\s*(\d+)/m.exec(scheduling)?.[1];
  report(`${readFileSync("/proc/thread-self/stat", "utf8").trim()}\n${slice ?? ""}`);
});
