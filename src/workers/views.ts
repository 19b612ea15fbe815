import type { ApiKeyView } from "#filter/authn";
import { type Occupancy, occupied, type UpstreamView } from "#gateway";

/** The upstreams as several workers see them, as one view: an endpoint is ready when it is for all. */
export function mergeUpstreams(
  views: readonly (readonly UpstreamView[])[],
  occupancy: ReadonlyMap<string, Occupancy>,
): UpstreamView[] {
  const names = new Set(views.flat().map(({ name }) => name));
  return [...names].map((name) => {
    const same = views.flat().filter((view) => view.name === name);
    return { name, endpoints: mergeEndpoints(same), ...occupied(occupancy.get(name)) };
  });
}

type Endpoint = UpstreamView["endpoints"][number];

function mergeEndpoints(views: readonly UpstreamView[]): Endpoint[] {
  const merged = new Map<string, Endpoint>();
  for (const endpoint of views.flatMap(({ endpoints }) => endpoints)) {
    const before = merged.get(endpoint.address);
    const worse = before === undefined || before.state === "ready" ? endpoint : before;
    merged.set(endpoint.address, { ...worse, inFlight: (before?.inFlight ?? 0) + endpoint.inFlight });
  }
  return [...merged.values()];
}

/** The keys of all workers, each with the last time that any of them saw it. */
export function mergeKeys(views: readonly (readonly ApiKeyView[])[]): ApiKeyView[] {
  const merged = new Map<string, ApiKeyView>();
  for (const key of views.flat()) {
    const name = JSON.stringify([key.provider, key.id]);
    const before = merged.get(name);
    // Times in ISO 8601 stand in the order of their text.
    if (before === undefined || (key.lastUsed ?? "") > (before.lastUsed ?? "")) merged.set(name, key);
  }
  return [...merged.values()];
}
