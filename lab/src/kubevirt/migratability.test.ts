import type { VirtualMachineInstance } from "@fairlead/api";
import { expect, test } from "vitest";
import { liveMigratable } from "./migratability.ts";
import { annotations } from "./names.ts";
import { vmiFixture } from "./vmi-fixture.ts";

const withInterface = (adapter: object, marks: Record<string, string> = {}): VirtualMachineInstance =>
  vmiFixture({
    annotations: marks,
    spec: {
      domain: { devices: { interfaces: [{ name: "default", ...adapter }] } },
      networks: [{ name: "default", pod: {} }],
    },
  });

const cases: [what: string, vmi: VirtualMachineInstance, status: "True" | "False"][] = [
  ["a bridge", withInterface({ bridge: {} }), "False"],
  ["no interface given, which means a bridge", vmiFixture({ annotations: {} }), "False"],
  [
    "a bridge with the annotation, whatever its value",
    withInterface({ bridge: {} }, { [annotations.allowBridgeMigration]: "" }),
    "True",
  ],
  ["masquerade", withInterface({ masquerade: {} }), "True"],
];

test.each(cases)("on the pod network, %s", (_what, vmi, status) => {
  expect(liveMigratable(vmi).status).toBe(status);
});

test("the refusal is KubeVirt's, word for word", () => {
  expect(liveMigratable(withInterface({ bridge: {} }))).toEqual({
    type: "LiveMigratable",
    status: "False",
    reason: "InterfaceNotLiveMigratable",
    message:
      "cannot migrate VMI which does not use masquerade or a migratable plugin to connect to the pod network",
  });
});
