import { spawn } from "node:child_process";
import { accessSync, constants, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { type GuestImage, kernelCommandLine, readyMarker } from "../guest/index.ts";
import type { Acceleration } from "./arguments.ts";

/** Milliseconds a hardware-accelerated guest has to come up. It needs well under two seconds where KVM works. */
const bootDeadline = 8_000;

/**
 * Whether KVM really runs a guest here. `/dev/kvm` may exist, answer, and still hang a guest in its firmware, so the
 * real guest is booted once; the answer is kept in the cache until the machine reboots.
 */
export async function probeAcceleration(options: {
  cache: string;
  image: GuestImage;
  program: string;
}): Promise<Acceleration> {
  const boot = readFileSync("/proc/sys/kernel/random/boot_id", "utf8").trim();
  const answer = join(options.cache, `acceleration-${boot}`);
  try {
    return readFileSync(answer, "utf8") === "kvm" ? "kvm" : "tcg";
  } catch {
    const acceleration = kvmIsOffered() && (await boots(options.program, options.image)) ? "kvm" : "tcg";
    mkdirSync(options.cache, { recursive: true });
    writeFileSync(answer, acceleration);
    return acceleration;
  }
}

function kvmIsOffered(): boolean {
  try {
    accessSync("/dev/kvm", constants.R_OK | constants.W_OK);
    return true;
  } catch {
    return false;
  }
}

async function boots(program: string, image: GuestImage): Promise<boolean> {
  const directory = mkdtempSync(join(tmpdir(), "fairlead-kvm-"));
  const serial = join(directory, "serial");
  const argv = [
    ...["--pdeathsig", "KILL", "--", program],
    ...[
      "-no-user-config",
      "-nodefaults",
      "-display",
      "none",
      "-machine",
      "q35,accel=kvm",
      "-cpu",
      "host",
      "-m",
      "128M",
    ],
    ...["-kernel", image.kernel, "-initrd", image.initramfs, "-append", kernelCommandLine],
    ...["-serial", `file:${serial}`],
  ];
  const child = spawn("setpriv", argv, { stdio: "ignore" });
  const ended = new Promise<void>((resolve) => {
    child.once("close", () => resolve());
    child.once("error", () => resolve());
  });
  const over = new AbortController();
  void ended.then(() => over.abort());
  const deadline = AbortSignal.any([over.signal, AbortSignal.timeout(bootDeadline)]);
  try {
    while (!deadline.aborted) {
      if (isReady(serial)) return true;
      await delay(20);
    }
    return false;
  } finally {
    child.kill("SIGKILL");
    await ended;
    rmSync(directory, { recursive: true });
  }
}

function isReady(serial: string): boolean {
  try {
    return readFileSync(serial, "utf8").includes(readyMarker);
  } catch {
    return false;
  }
}
