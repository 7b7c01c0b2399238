import type { IpamLogger } from "./engine.ts";
import { mayHaveLanded } from "./store.ts";

/** Which of a handle's addresses its IPAMHandle object counts, and how it is told. */
export interface HandleIndex {
  readonly covers: "all" | "borrowed";
  readonly add: (cidr: string, count: number) => Promise<void>;
}

/**
 * Takes addresses between telling the index of `count` of them and correcting what it was told. An index that says too much does no
 * harm and is corrected by collection; one that says too little hides addresses. So it stays as it is while nobody knows what was
 * taken.
 */
export async function indexed<R>(
  index: HandleIndex | undefined,
  cidr: string,
  count: number,
  logger: IpamLogger,
  take: () => Promise<{ readonly result: R; readonly fresh: number }>,
): Promise<R> {
  await index?.add(cidr, count);
  let surplus = count;
  try {
    const { result, fresh } = await take();
    surplus = count - fresh;
    return result;
  } catch (error) {
    if (mayHaveLanded(error)) surplus = 0;
    throw error;
  } finally {
    if (surplus > 0) await forget(index, cidr, surplus, logger);
  }
}

/** Takes `count` addresses out of the index; a failure is left to collection. */
export async function forget(
  index: HandleIndex | undefined,
  cidr: string,
  count: number,
  logger: IpamLogger,
): Promise<void> {
  try {
    await index?.add(cidr, -count);
  } catch (err) {
    logger.warn({ err, cidr }, "a handle's object counts too much until collection corrects it");
  }
}
