/** A component that runs until it is stopped. */
export interface Daemon {
  stop(): Promise<void>;
  /** Makes it stand still, alive, until disposed: what happens meanwhile it learns afterwards. */
  pause(): Disposable;
}
