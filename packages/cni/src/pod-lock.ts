/** Lets calls about the same pod run one after another, in order of arrival; calls about different pods do not wait. */
export interface PodLock {
  hold<T>(key: string, work: () => Promise<T>): Promise<T>;
}

/** Makes a lock that nobody holds. Its keys are of `podKey`. */
export function createPodLock(): PodLock {
  const tails = new Map<string, Promise<unknown>>();
  return {
    async hold(key, work) {
      const before = tails.get(key);
      const mine = (async () => {
        await before?.catch(() => {});
        return work();
      })();
      tails.set(key, mine);
      try {
        return await mine;
      } finally {
        if (tails.get(key) === mine) tails.delete(key);
      }
    },
  };
}
