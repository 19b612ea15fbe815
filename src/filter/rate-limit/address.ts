/**
 * What calls from an address are counted under: an IPv4 address, or the block that an IPv6 address is in, since who has
 * one of its addresses has them all. IPv4-mapped addresses, which sockets for both families show (RFC 4291 2.5.5.2), are
 * IPv4: their block would be all of it.
 *
 * @param prefix bits of an IPv6 address that tell callers apart, 1 to 128
 */
export function addressKey(address: string, prefix: number): string {
  if (!address.includes(":")) return address;
  const groups = groupsOf(address.split("%", 1)[0] ?? "");
  const [high = 0, low = 0] = groups.slice(6);
  if (groups[5] === 0xffff && groups.slice(0, 5).every((group) => group === 0)) {
    return [high >> 8, high & 0xff, low >> 8, low & 0xff].join(".");
  }
  const kept = groups.slice(0, Math.ceil(prefix / 16));
  const spare = kept.length * 16 - prefix;
  if (spare > 0) kept.push(((kept.pop() ?? 0) >> spare) << spare);
  return kept.map((group) => group.toString(16)).join(":");
}

/** The eight numbers of an IPv6 address, `::` and a dotted end written out. */
function groupsOf(address: string): number[] {
  const [head = [], tail] = address.split("::").map(numbersOf);
  if (tail === undefined) return head;
  const missing = Math.max(0, 8 - head.length - tail.length);
  return [...head, ...new Array<number>(missing).fill(0), ...tail];
}

function numbersOf(part: string): number[] {
  if (part === "") return [];
  return part.split(":").flatMap((group) => {
    if (!group.includes(".")) return [Number.parseInt(group, 16)];
    const [a = 0, b = 0, c = 0, d = 0] = group.split(".").map(Number);
    return [a * 256 + b, c * 256 + d];
  });
}
