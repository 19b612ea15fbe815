import { type Entry, newEntry } from "./entry.ts";

/** Names and values of the static table, from index 1 on (RFC 7541 Appendix A). */
const fields: readonly (readonly [string, string])[] = [
  [":authority", ""],
  [":method", "GET"],
  [":method", "POST"],
  [":path", "/"],
  [":path", "/index.html"],
  [":scheme", "http"],
  [":scheme", "https"],
  [":status", "200"],
  [":status", "204"],
  [":status", "206"],
  [":status", "304"],
  [":status", "400"],
  [":status", "404"],
  [":status", "500"],
  ["accept-charset", ""],
  ["accept-encoding", "gzip, deflate"],
  ["accept-language", ""],
  ["accept-ranges", ""],
  ["accept", ""],
  ["access-control-allow-origin", ""],
  ["age", ""],
  ["allow", ""],
  ["authorization", ""],
  ["cache-control", ""],
  ["content-disposition", ""],
  ["content-encoding", ""],
  ["content-language", ""],
  ["content-length", ""],
  ["content-location", ""],
  ["content-range", ""],
  ["content-type", ""],
  ["cookie", ""],
  ["date", ""],
  ["etag", ""],
  ["expect", ""],
  ["expires", ""],
  ["from", ""],
  ["host", ""],
  ["if-match", ""],
  ["if-modified-since", ""],
  ["if-none-match", ""],
  ["if-range", ""],
  ["if-unmodified-since", ""],
  ["last-modified", ""],
  ["link", ""],
  ["location", ""],
  ["max-forwards", ""],
  ["proxy-authenticate", ""],
  ["proxy-authorization", ""],
  ["range", ""],
  ["referer", ""],
  ["refresh", ""],
  ["retry-after", ""],
  ["server", ""],
  ["set-cookie", ""],
  ["strict-transport-security", ""],
  ["transfer-encoding", ""],
  ["user-agent", ""],
  ["vary", ""],
  ["via", ""],
  ["www-authenticate", ""],
];

/** The static table; entry 0 stands at index 1. */
export const staticTable: readonly Entry[] = fields.map(([name, value]) => newEntry(name, value));

/** The first index of each name. */
export const staticNames: ReadonlyMap<string, number> = new Map(
  fields.map(([name], at) => [name, at + 1] as const).reverse(),
);

/** The index of a field that stands in the static table whole; 0 for none. */
export function staticIndex(name: string, value: string): number {
  const first = staticNames.get(name);
  if (first === undefined) return 0;
  for (let index = first; index <= staticTable.length; index++) {
    const entry = staticTable[index - 1]!;
    if (entry.name !== name) return 0;
    if (entry.value === value) return value === "" ? 0 : index;
  }
  return 0;
}
