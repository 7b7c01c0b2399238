import { join } from "node:path";
import { type GuestImage, guestImage } from "../guest/index.ts";
import { probeAcceleration } from "./acceleration.ts";
import type { Acceleration } from "./arguments.ts";
import { findQemu } from "./program.ts";

/** Where kernel, initramfs, QEMU and the answer about KVM are kept unless told otherwise. */
export const defaultCache = join(import.meta.dirname, "../../out/cache");

/** What a guest is run with, and how. */
export interface PreparedGuest {
  readonly image: GuestImage;
  /** QEMU's program, as {@link findQemu} found it. */
  readonly program: string;
  readonly acceleration: Acceleration;
}

/** Everything a guest needs that takes time or the network: some 15 s the first time, a few milliseconds from then on. */
export async function prepareGuest(
  options: { cache?: string; signal?: AbortSignal } = {},
): Promise<PreparedGuest> {
  const from = { cache: options.cache ?? defaultCache, ...(options.signal && { signal: options.signal }) };
  const [image, program] = [await guestImage(from), await findQemu(from)];
  return { image, program, acceleration: await probeAcceleration({ cache: from.cache, image, program }) };
}
