import { type ClusterView, type KindNames, kinds } from "@fairlead/api";

/** Kinds of which this world has objects. */
export const livelyKinds = [
  kinds.Pod,
  kinds.Node,
  kinds.Namespace,
  kinds.IPPool,
  kinds.FelixConfiguration,
  kinds.IPAMConfiguration,
  kinds.VirtualMachineInstance,
  kinds.VirtualMachineInstanceMigration,
] as const;

const nothing: Disposable = { [Symbol.dispose]() {} };

/** A real view of some kinds. Of the others nothing exists in this world, so nobody has to be asked. */
export function withEmptyKinds(view: ClusterView): ClusterView {
  const names = new Set(livelyKinds.map(({ plural, group }) => `${plural}.${group}`));
  const isLively = ({ plural, group }: KindNames) => names.has(`${plural}.${group}`);
  return {
    synced: (signal) => view.synced(signal),
    get: (kind, ref) => (isLively(kind) ? view.get(kind, ref) : undefined),
    list: (kind, options) => (isLively(kind) ? view.list(kind, options) : []),
    byIndex: (index, key) => (isLively(index.kind) ? view.byIndex(index, key) : []),
    subscribe: (kind, handler, options) =>
      isLively(kind) ? view.subscribe(kind, handler, options) : nothing,
    health: () => view.health(),
    close: () => view.close(),
    [Symbol.asyncDispose]: () => view.close(),
  };
}
