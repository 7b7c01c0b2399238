import type { Allocated } from "./allocator.ts";
import type { Engine } from "./engine.ts";
import { forget, type HandleIndex } from "./handle-index.ts";
import { freeUnchanged } from "./release.ts";

/**
 * Gives back what a call took before it failed: each address only if it is still that allocation with the same owners, since others
 * may have come to rely on it. What cannot be given back now is left to collection.
 */
export async function giveBack(
  engine: Pick<Engine, "blocks" | "logger">,
  taken: readonly Allocated[],
  index?: HandleIndex,
): Promise<void> {
  await Promise.all(
    taken.map(async (one) => {
      try {
        if (await freeUnchanged(engine, one)) await forget(index, one.block.cidr, 1, engine.logger);
      } catch (err) {
        const { address } = one;
        engine.logger.warn({ err, address }, "an address could not be given back and is left to collection");
      }
    }),
  );
}
