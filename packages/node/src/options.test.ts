import { expect, it } from "vitest";
import { readOptions } from "./options.ts";

it("has the defaults that the README names", () =>
  expect(readOptions(["--node-name", "n1"], {})).toMatchObject({
    nodeName: "n1",
    runDir: "/run/fairlead",
    stateDir: "/var/lib/fairlead",
    logLevel: "info",
    healthPort: 9099,
    healthHost: "localhost",
    cniBinDir: "/opt/cni/bin",
    cniConfDir: "/etc/cni/net.d",
    handleObjects: "auto",
  }));

it("takes the node's name from the environment, and the option before it", () => {
  expect(readOptions([], { KUBERNETES_NODE_NAME: "n2" }).nodeName).toBe("n2");
  expect(readOptions(["--node-name", "n1"], { KUBERNETES_NODE_NAME: "n2" }).nodeName).toBe("n1");
});
