import { type ApiClient, kinds } from "@fairlead/api";

/** Changes what the KubeVirt object says of migrations, until disposed. */
export async function configureMigrations(
  client: ApiClient,
  migrations: Readonly<Record<string, unknown>>,
): Promise<AsyncDisposable> {
  const write = (value: unknown) =>
    client.patch(
      kinds.KubeVirt,
      { namespace: "kubevirt", name: "kubevirt" },
      { spec: { configuration: { migrations: value } } },
      { type: "merge" },
    );
  await write(migrations);
  return { [Symbol.asyncDispose]: () => write(null).then(() => {}) };
}
