/**
 * Flags of V8 that the program sets as it starts.
 *
 * V8 looks through the whole heap as soon as a few MB have come to the some 40 MB of a gateway, little of which is garbage by then, since
 * what calls make dies young. Under load that was about once a second, some 60 ms of a processor each time, of which calls waited for 10
 * to 20. It now waits until three times as much is there, and never goes beyond what `--max-old-space-size` allows.
 *
 * V8 makes objects old at once where many of those of one place in the code have outlived collections. Calls that are under way when the
 * young objects are collected look like that, and all that an old object points to stays, dead or not, until the whole heap is looked through:
 * of some processes of a gateway under load, each call, which then cost twice as much. That is switched off.
 *
 * Buffers of young objects are freed with them. V8 of Node 24 and 25 lets 128 MB of young objects pile up first, and begins to look through
 * the whole heap whenever 64 MB of buffers have, several times a second where bodies of a few KB are converted: half as much CPU again for a
 * POST of 2 KB. With the last flag buffers count towards the limit of the heap in place of one of their own. Other versions have half as
 * much room for young objects or less, and gain nothing by it.
 *
 * @param version of Node, such as 24.1.0
 */
export function collectorFlags(version: string): readonly string[] {
  const flags = ["--heap-growing-percent=200", "--no-allocation-site-pretenuring"];
  return /^2[45]\./.test(version) ? [...flags, "--external-memory-accounted-in-global-limit"] : flags;
}
