import { type ClusterView, kinds } from "@fairlead/api";
import type { SettingsSource } from "@fairlead/ipam";

/** The address manager's settings from the watch: an allocation reads nothing for them. */
export function createSettingsFromView(view: ClusterView): SettingsSource {
  return {
    async read() {
      await view.synced(AbortSignal.timeout(30_000));
      return {
        pools: view.list(kinds.IPPool),
        reservations: view.list(kinds.IPReservation),
        configuration: view.get(kinds.IPAMConfiguration, { name: "default" }),
      };
    },
  };
}
