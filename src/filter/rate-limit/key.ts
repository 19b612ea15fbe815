import type { Call } from "#rpc";

/** Whose calls are counted together. */
export type LimitKey = "peer.ip" | "caller.sub";

/** The key of a call; a caller without an identity is counted by its address. */
export function keyOf(call: Call, kind: LimitKey): string {
  const { principal, peer } = call.context;
  if (kind === "caller.sub" && principal !== undefined) return `${principal.provider}\n${principal.subject}`;
  return addressKey(peer.address);
}

/**
 * An IPv4 address, or the /64 that an IPv6 address is in: who has one has them all. IPv4-mapped addresses, which sockets
 * for both families show (RFC 4291 2.5.5.2), are IPv4: their /64 is all of it.
 */
function addressKey(address: string): string {
  if (!address.includes(":")) return address;
  const groups = groupsOf(address.split("%", 1)[0] ?? "");
  const [high = 0, low = 0] = groups.slice(6);
  if (groups[5] === 0xffff && groups.slice(0, 5).every((group) => group === 0)) {
    return [high >> 8, high & 0xff, low >> 8, low & 0xff].join(".");
  }
  return groups
    .slice(0, 4)
    .map((group) => group.toString(16))
    .join(":");
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
