/** Something that lives as long as its part of the configuration stays the same. */
export interface Kept<T> {
  readonly fingerprint: string;
  readonly value: T;
}

/** @throws Error for a name that the configuration does not have */
export function found<T>(kept: ReadonlyMap<string, Kept<T>>, name: string): T {
  const entry = kept.get(name);
  if (entry === undefined) throw new Error(`${name} is not in the configuration that was applied`);
  return entry.value;
}

/** Makes what is wanted and is not there yet, or not as wanted, and retires what is no longer wanted. */
export function keep<O, T>(
  kept: Map<string, Kept<T>>,
  wanted: readonly (readonly [string, O])[],
  make: (options: O) => T,
  retire: (value: T) => void,
): void {
  const names = new Set(wanted.map(([name]) => name));
  for (const [name, { value }] of kept) {
    if (names.has(name)) continue;
    kept.delete(name);
    retire(value);
  }
  for (const [name, options] of wanted) {
    const fingerprint = JSON.stringify(options);
    const before = kept.get(name);
    if (before?.fingerprint === fingerprint) continue;
    kept.set(name, { fingerprint, value: make(options) });
    if (before !== undefined) retire(before.value);
  }
}
