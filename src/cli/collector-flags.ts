/**
 * Flags of V8 that the program sets as it starts.
 *
 * Buffers of young objects are freed with them. V8 of Node 24 and 25 lets 128 MB of young objects pile up first, and begins to look through
 * the whole heap whenever 64 MB of buffers have, several times a second where bodies of a few KB are converted: half as much CPU again for a
 * POST of 2 KB. With this flag buffers count towards the limit of the heap in place of one of their own. Other versions have half as much
 * room for young objects or less, and gain nothing by it.
 *
 * @param version of Node, such as 24.1.0
 */
export function collectorFlags(version: string): readonly string[] {
  return /^2[45]\./.test(version) ? ["--external-memory-accounted-in-global-limit"] : [];
}
