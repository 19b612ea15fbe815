/** Items that are kept; a power of two. */
const kept = 256;

interface Item {
  limit: string;
  left: number;
  seconds: number;
  rest: string;
  text: string;
}

const items: readonly Item[] = Array.from({ length: kept }, () => ({
  limit: "",
  left: -1,
  seconds: -1,
  rest: "",
  text: "",
}));

/**
 * An item of `RateLimit`. Callers of one limit have all as much left at one time or another, so that there are few different
 * items, and one that is there already is in one piece and was looked through before.
 *
 * @param rest what follows
 */
export function limitItem(limit: string, left: number, seconds: number, rest: string): string {
  const item = items[(left + seconds * 31) & (kept - 1)] as Item;
  if (item.left === left && item.seconds === seconds && item.limit === limit && item.rest === rest)
    return item.text;
  item.limit = limit;
  item.left = left;
  item.seconds = seconds;
  item.rest = rest;
  item.text = `"${limit}";r=${left};t=${seconds}${rest}`;
  return item.text;
}
