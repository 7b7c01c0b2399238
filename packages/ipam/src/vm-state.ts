import type { Allocated } from "./allocator.ts";
import { allocationsOfHandle } from "./block-draft.ts";
import type { Engine } from "./engine.ts";
import type { IPAMBlock, IPAMHandle } from "./resources.ts";

/** An address of a VM, with its block as it was read. */
export interface HeldAddress extends Allocated {
  readonly stored: IPAMBlock;
}

/** Everything a VM's handle holds now. */
export interface VmState {
  readonly object: IPAMHandle | undefined;
  readonly held: readonly HeldAddress[];
}

/** Reads a VM's addresses. Blocks are found by name, so it does not matter whether their pool is enabled or still there. */
export async function readVm(engine: Engine, handle: string): Promise<VmState> {
  const object = await engine.handles.read(handle);
  if (!object) return { object, held: [] };
  const blocks = await Promise.all(Object.keys(object.spec.block).map((cidr) => engine.blocks.read(cidr)));
  const held = blocks.flatMap((found) =>
    found
      ? allocationsOfHandle(found.block.spec, found.geometry, handle).map((allocation) => ({
          ...allocation,
          block: found.geometry,
          stored: found.block,
        }))
      : [],
  );
  return { object, held };
}
