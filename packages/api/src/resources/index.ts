import { BlockAffinity } from "./block-affinity.ts";
import { IPPool } from "./ip-pool.ts";
import { IPReservation } from "./ip-reservation.ts";
import { IPAMBlock } from "./ipam-block.ts";
import { IPAMConfiguration } from "./ipam-configuration.ts";
import { IPAMHandle } from "./ipam-handle.ts";

/** Fairlead's own kinds. */
export const ownKinds = {
  BlockAffinity,
  IPAMBlock,
  IPAMConfiguration,
  IPAMHandle,
  IPPool,
  IPReservation,
} as const;

export type { IPAMBlockAttributes } from "./ipam-block.ts";
export type { BlockAffinity, IPAMBlock, IPAMConfiguration, IPAMHandle, IPPool, IPReservation };
