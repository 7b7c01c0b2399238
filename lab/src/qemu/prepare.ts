import { join } from "node:path";
import { type GuestImage, guestImage } from "../guest/index.ts";
import { probeAcceleration } from "./acceleration.ts";
import type { Acceleration } from "./arguments.ts";

/** Where kernel, initramfs and the answer about KVM are kept unless told otherwise. */
export const defaultCache = join(import.meta.dirname, "../../out/cache");

/** Everything a guest needs that takes time or the network: some 15 s the first time, a few milliseconds from then on. */
export async function prepareGuest(
  options: { cache?: string; signal?: AbortSignal } = {},
): Promise<{ image: GuestImage; acceleration: Acceleration }> {
  const cache = options.cache ?? defaultCache;
  const image = await guestImage({ cache, ...(options.signal && { signal: options.signal }) });
  return { image, acceleration: await probeAcceleration({ cache, image }) };
}
