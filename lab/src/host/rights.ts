import { spawnSync } from "node:child_process";
import { accessSync, constants } from "node:fs";
import { LabError, messageOf } from "../error.ts";

/** What this user may do, each undefined where it may, else the system's words. */
export interface Rights {
  readonly isRoot: boolean;
  unshareUser(): string | undefined;
  openTun(): string | undefined;
}

/** Tries it out, and changes nothing. */
export const systemRights: Rights = {
  isRoot: process.getuid?.() === 0,
  unshareUser() {
    const { status, stderr, error } = spawnSync("unshare", ["--user", "--map-root-user", "--net", "true"], {
      encoding: "utf8",
    });
    return status === 0 ? undefined : (error?.message ?? stderr.trim());
  },
  openTun() {
    try {
      accessSync("/dev/net/tun", constants.R_OK | constants.W_OK);
      return undefined;
    } catch (error) {
      return messageOf(error);
    }
  },
};

/** An ordinary user's lab lives in a user namespace of its own. @throws LabError `MissingPrivilege` with all that is missing, and what to do */
export function requireRights({ isRoot, unshareUser, openTun }: Rights = systemRights): void {
  if (isRoot) return;
  const namespaces = unshareUser();
  const tun = openTun();
  const missing = [
    ...(namespaces === undefined
      ? []
      : [
          `user namespaces are not permitted (${namespaces}): sysctl -w kernel.unprivileged_userns_clone=1 user.max_user_namespaces=10000, ` +
            "on Ubuntu also kernel.apparmor_restrict_unprivileged_userns=0",
        ]),
    ...(tun === undefined
      ? []
      : [`/dev/net/tun, which connects VMs, cannot be opened (${tun}): chmod 0666 /dev/net/tun`]),
  ];
  if (missing.length === 0) return;
  throw new LabError(
    "MissingPrivilege",
    `without root the lab needs more rights than this user has; run it as root, or have root do this: ${missing.join("; ")}`,
  );
}
