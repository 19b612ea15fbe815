const item = /"((?:[^"\\]|\\.)*)"((?:;[a-z*][\w.*-]*(?:=(?:"(?:[^"\\]|\\.)*"|:[^:]*:|[^",;]*))?)*)/g;

/**
 * Two values of `RateLimit` or `RateLimit-Policy` as one (draft-ietf-httpapi-ratelimit-headers, 7.2): of two items with one
 * name the one that allows less, so that nobody on the way makes limits look wider than they are.
 */
export function stricterLimits(before: string, own: string): string {
  const items = new Map<string, string>();
  for (const [text, name = ""] of before.matchAll(item)) items.set(name, text);
  for (const [text, name = ""] of own.matchAll(item)) {
    const other = items.get(name);
    if (other === undefined || amount(text) < amount(other)) items.set(name, text);
  }
  return [...items.values()].join(", ");
}

/** The quota, or what is left of it. */
function amount(text: string): number {
  return Number(/;[rq]=(\d+)/.exec(text)?.[1] ?? Number.POSITIVE_INFINITY);
}
