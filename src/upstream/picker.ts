import type { Endpoint } from "./endpoint.ts";

/** Chooses among ready endpoints. Immutable but for its position; built anew when endpoints change. */
export type Picker = (tried: readonly string[]) => Endpoint | undefined;

/** Each in turn; those that a call has tried already come last. */
export function roundRobin(ready: readonly Endpoint[]): Picker {
  if (ready.length === 0) return () => undefined;
  // Not all pickers of all processes shall begin with the same endpoint.
  let next = Math.floor(Math.random() * ready.length);
  return (tried) => {
    if (tried.length > 0) {
      for (let i = 0; i < ready.length; i++) {
        const endpoint = ready[(next + i) % ready.length] as Endpoint;
        if (tried.includes(endpoint.address)) continue;
        next = (next + i + 1) % ready.length;
        return endpoint;
      }
    }
    const endpoint = ready[next] as Endpoint;
    next = (next + 1) % ready.length;
    return endpoint;
  };
}
