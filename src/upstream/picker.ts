/** Chooses among ready endpoints. Immutable but for its position; built anew when endpoints change. */
export type Picker<T> = (tried: readonly string[]) => T | undefined;

/** Each in turn; those that a call has tried already come last. */
export function roundRobin<T extends { readonly address: string }>(ready: readonly T[]): Picker<T> {
  const count = ready.length;
  // Not all pickers of all processes shall begin with the same endpoint.
  let position = Math.floor(Math.random() * count);
  return (tried) => {
    for (let i = 0; i < count; i++) {
      const at = (position + i) % count;
      const endpoint = ready[at] as T;
      if (tried.length > 0 && tried.includes(endpoint.address)) continue;
      position = (at + 1) % count;
      return endpoint;
    }
    const endpoint = ready[position];
    position = (position + 1) % count;
    return endpoint;
  };
}
