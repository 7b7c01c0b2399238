import type { Cni } from "@fairlead/cni";

/** The plug-in, and which pods it is working on. */
export interface WatchedCni extends Cni {
  /** Whether a call about the pod is under way: what is found of it in the kernel is about to change. */
  isBusy(pod: { readonly namespace: string; readonly name: string }): boolean;
}

/** Counts the calls of each pod by the words of the runtime, before anything of them is checked. */
export function watchCalls(cni: Cni): WatchedCni {
  const underWay = new Map<symbol, string>();
  return {
    async handle(raw) {
      const call = Symbol();
      underWay.set(call, podIn(raw.environment.CNI_ARGS ?? ""));
      try {
        return await cni.handle(raw);
      } finally {
        underWay.delete(call);
      }
    },
    isBusy: ({ namespace, name }) => [...underWay.values()].includes(`${namespace}/${name}`),
  };
}

function podIn(args: string): string {
  const part = (name: string) => new RegExp(`(?:^|;)${name}=([^;]*)`).exec(args)?.[1] ?? "";
  return `${part("K8S_POD_NAMESPACE")}/${part("K8S_POD_NAME")}`;
}
