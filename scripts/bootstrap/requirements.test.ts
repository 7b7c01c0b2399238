import { describe, expect, it } from "vitest";
import { planInstallation, refuseWithoutRights, systemRequirements } from "./requirements.mjs";

const qemu = {
  ...systemRequirements.find((requirement) => requirement.package === "qemu-system-x86"),
  name: "qemu-system-x86_64",
};
const debian = {
  platform: "linux",
  nodeMajor: 20,
  distribution: { id: "debian", like: [] },
  isRoot: true,
  missing: [qemu],
};

describe("planInstallation", () => {
  it("installs what is missing on Debian as root", () => {
    expect(planInstallation(debian)).toEqual({ install: ["qemu-system-x86"] });
  });

  it("installs nothing when nothing is missing, whoever asks and wherever", () => {
    const complete = { ...debian, missing: [], isRoot: false, distribution: { id: "fedora", like: [] } };
    expect(planInstallation(complete)).toEqual({ install: [] });
  });

  it("names the packages and the command to an ordinary user and changes nothing", () => {
    expect(planInstallation({ ...debian, isRoot: false }).refusal).toMatchInlineSnapshot(`
      "Missing on this machine:
        qemu-system-x86_64  (Debian package qemu-system-x86)
      Nothing was changed. As root, run:
        apt-get update && apt-get install --no-install-recommends qemu-system-x86"
    `);
  });

  it("does not touch another distribution's package manager", () => {
    const fedora = { ...debian, distribution: { id: "fedora", like: ["rhel"] } };
    expect(planInstallation(fedora).refusal).toContain("Install these with your system's package manager");
  });

  it("serves what is derived from Debian", () => {
    const ubuntu = { ...debian, distribution: { id: "ubuntu", like: ["debian"] } };
    expect(planInstallation(ubuntu)).toEqual({ install: ["qemu-system-x86"] });
  });

  it("says on other systems where it can run", () => {
    expect(planInstallation({ ...debian, platform: "darwin" }).refusal).toContain("this is darwin");
  });

  it("refuses a Node.js too old to start from", () => {
    expect(planInstallation({ ...debian, nodeMajor: 18 }).refusal).toContain("Node.js 18 is too old");
  });
});

describe("refuseWithoutRights", () => {
  const ordinary = { isRoot: false, hasUserNamespaces: false };

  it("lets root do everything and anyone do what needs no rights", () => {
    expect(refuseWithoutRights("root", { isRoot: true, hasUserNamespaces: false })).toBeUndefined();
    expect(refuseWithoutRights("none", ordinary)).toBeUndefined();
  });

  it("lets an ordinary user run the lab where user namespaces are allowed, but not what needs the machine itself", () => {
    expect(refuseWithoutRights("namespaces", { ...ordinary, hasUserNamespaces: true })).toBeUndefined();
    expect(refuseWithoutRights("root", { ...ordinary, hasUserNamespaces: true })).toContain("Run it as root");
  });

  it("says what to allow where they are not", () => {
    expect(refuseWithoutRights("namespaces", ordinary)).toContain(
      "sysctl -w kernel.unprivileged_userns_clone=1",
    );
  });
});
