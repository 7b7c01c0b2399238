import { type ClusterView, kinds } from "@fairlead/api";
import { configurationName } from "./configuration.ts";
import { createStoreSettings, type SettingsObjects, type SettingsSource } from "./settings.ts";
import type { IpamStore } from "./store.ts";

/** Where settings come from. */
export interface ViewSettingsOptions {
  /** Watches IPPool, IPReservation and IPAMConfiguration. */
  readonly view: ClusterView;
  /** Read when the newest state is asked for, or while the view has not caught up yet. */
  readonly store: IpamStore;
}

/** Settings that are always at hand: allocating needs no read, and a change counts from the moment the watch brings it. */
export function createViewSettings({ view, store }: ViewSettingsOptions): SettingsSource & Disposable {
  const direct = createStoreSettings(store, 0, Date.now);
  let known: SettingsObjects | undefined;
  let ready = false;
  void view.synced().then(
    () => {
      ready = true;
    },
    () => undefined,
  );
  const forget = () => {
    known = undefined;
  };
  const subscriptions = [
    view.subscribe(kinds.IPPool, forget, { replay: false }),
    view.subscribe(kinds.IPReservation, forget, { replay: false }),
    view.subscribe(kinds.IPAMConfiguration, forget, { replay: false }),
  ];
  return {
    async read(options) {
      if (options.fresh || !ready) return direct.read(options);
      known ??= {
        pools: view.list(kinds.IPPool),
        reservations: view.list(kinds.IPReservation),
        configuration: view.get(kinds.IPAMConfiguration, { name: configurationName }),
      };
      return known;
    },
    [Symbol.dispose]() {
      for (const subscription of subscriptions) subscription[Symbol.dispose]();
    },
  };
}
