/**
 * Flags of V8 that the program sets as it starts.
 *
 * V8 looks through the whole heap when a tenth of what it kept last has come to it, which of the 40 MB of a gateway is 4: little
 * of it is garbage by then, since what calls make dies young. Under load that was about once a second, some 60 ms of a processor each
 * time, of which calls waited for 10 to 20. It now waits until three times as much is there, as V8 itself does where much is kept for
 * long; it never goes beyond what `--max-old-space-size` allows, and gives the memory back when there is nothing to do.
 *
 * Buffers of young objects are freed with them. V8 of Node 24 and 25 lets 128 MB of young objects pile up first, and begins to look through
 * the whole heap whenever 64 MB of buffers have, several times a second where bodies of a few KB are converted: half as much CPU again for a
 * POST of 2 KB. With the second flag buffers count towards the limit of the heap in place of one of their own. Other versions have half as
 * much room for young objects or less, and gain nothing by it.
 *
 * @param version of Node, such as 24.1.0
 */
export function collectorFlags(version: string): readonly string[] {
  const growing = "--heap-growing-percent=200";
  return /^2[45]\./.test(version) ? [growing, "--external-memory-accounted-in-global-limit"] : [growing];
}
