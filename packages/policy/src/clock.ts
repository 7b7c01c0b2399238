/** Time, injected so that tests decide when it passes. */
export interface Clock {
  /** Calls `action` once after so many milliseconds. */
  after(milliseconds: number, action: () => void): Disposable;
}

/** Does not keep the process alive. */
export const systemClock: Clock = {
  after(milliseconds, action) {
    const timer = setTimeout(action, milliseconds).unref();
    return { [Symbol.dispose]: () => clearTimeout(timer) };
  },
};
