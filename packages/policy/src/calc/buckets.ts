/** Adds to the set under a key, which is made when it is the first. */
export function put<K, V>(buckets: Map<K, Set<V>>, key: K, value: V): void {
  const values = buckets.get(key);
  if (values === undefined) buckets.set(key, new Set([value]));
  else values.add(value);
}

/** Takes from the set under a key; an empty set goes. */
export function take<K, V>(buckets: Map<K, Set<V>>, key: K, value: V): void {
  const values = buckets.get(key);
  values?.delete(value);
  if (values?.size === 0) buckets.delete(key);
}
