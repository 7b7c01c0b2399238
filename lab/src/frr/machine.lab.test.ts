import { copyFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { afterEach, beforeEach, expect, it } from "vitest";
import { defaultTopology } from "../first/paths.ts";
import { Trial } from "../host/trial.ts";

const files = join(dirname(defaultTopology), "three-workers-frr");

let trial: Trial;
beforeEach(() => {
  trial = new Trial();
});
afterEach(() => trial.end());

/** A lab of one router; its frr.conf ends with these lines. */
function topologyWith(...lines: string[]): string {
  copyFileSync(join(files, "daemons"), join(trial.out, "daemons"));
  writeFileSync(join(trial.out, "frr.conf"), ["hostname tor", ...lines, ""].join("\n"));
  const path = join(trial.out, "frr.clab.yml");
  writeFileSync(
    path,
    `
name: frr
topology:
  nodes:
    tor:
      image: frrouting/frr:v8.4.1
      binds: [.:/etc/frr:ro]
`,
  );
  return path;
}

it("a router killed with -9 gets its configuration again", async () => {
  const topology = topologyWith("router bgp 64512", " bgp router-id 10.9.8.7", "exit");
  expect(trial.lab("up", "--topology", topology).status).toBe(0);
  const configuration = () => trial.lab("exec", "tor", "--", "vtysh", "-c", "show running-config").stdout;
  await expect.poll(configuration).toContain("bgp router-id 10.9.8.7");
  for (const daemon of ["zebra", "bgpd"]) expect(trial.lab("kill", `tor/${daemon}`).status).toBe(0);
  await expect.poll(configuration).toContain("bgp router-id 10.9.8.7");
  expect(trial.lab("down").status).toBe(0);
});

it("a line that FRR does not understand ends the start, and is named", () => {
  const { status, stderr } = trial.lab(
    "up",
    "--topology",
    topologyWith("router bgp 64512", " no such thing", "exit"),
  );
  expect(status).toBe(1);
  expect(stderr).toMatch(/lab: .*FRR refuses the frr\.conf of tor: .*line 3.*no such thing/s);
});
