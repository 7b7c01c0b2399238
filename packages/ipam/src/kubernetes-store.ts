import { type ApiClient, getIfPresent, isApiError, kinds, listAll, type ResourceKind } from "@fairlead/api";
import type { IpamKind, IpamObject, IpamSpecs } from "./resources.ts";
import { type IpamStore, type StoreCall, StoreError } from "./store.ts";

/** How the cluster is reached. */
export interface KubernetesStoreOptions {
  readonly client: ApiClient;
}

type ObjectOf<K extends IpamKind> = IpamObject<IpamSpecs[K]> & {
  readonly metadata: { readonly name: string };
};
type KindOf<K extends IpamKind> = ResourceKind<ObjectOf<K>, ObjectOf<K>>;

/** Here the registry's kinds, whose types are writable, are seen with this package's read-only types. */
const kindOf = <K extends IpamKind>(kind: K): KindOf<K> => kinds[kind] as unknown as KindOf<K>;

/** The objects of a cluster. One API request per call, except that long lists come in pages. */
export function createKubernetesStore({ client }: KubernetesStoreOptions): IpamStore {
  return {
    async get(kind, name, call) {
      try {
        return await getIfPresent(client, kindOf(kind), { name }, call);
      } catch (error) {
        throw asStoreError(error);
      }
    },
    async list(kind, call: StoreCall = {}) {
      try {
        return (await listAll(client, kindOf(kind), call)).items;
      } catch (error) {
        throw asStoreError(error);
      }
    },
    async create(kind, object, call) {
      try {
        return await client.create(kindOf(kind), object, call);
      } catch (error) {
        throw asStoreError(error);
      }
    },
    async replace(kind, object, call) {
      try {
        return await client.replace(kindOf(kind), object, call);
      } catch (error) {
        throw asStoreError(error);
      }
    },
    async remove(kind, { metadata }, call) {
      const { uid, resourceVersion } = metadata;
      try {
        await client.delete(
          kindOf(kind),
          { name: metadata.name },
          { ...call, preconditions: { uid, resourceVersion } },
        );
      } catch (error) {
        if (isApiError(error, "NotFound")) return;
        throw asStoreError(error);
      }
    },
  };
}

function asStoreError(error: unknown): unknown {
  if (!isApiError(error)) return error;
  const code = {
    AlreadyExists: "AlreadyExists",
    Conflict: "Conflict",
    NotFound: "Conflict",
    NotServed: "Unavailable",
    Gone: "Unavailable",
    TooManyRequests: "Unavailable",
    Unavailable: "Unavailable",
    Timeout: "Unavailable",
    Invalid: "Refused",
    BadRequest: "Refused",
    Forbidden: "Refused",
    Unauthorized: "Refused",
  } as const;
  return new StoreError(code[error.code], error.message, { cause: error });
}
