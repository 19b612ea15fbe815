import type { Call } from "#rpc";

/** Whose calls are counted together. */
export type LimitKey = "peer.ip" | "caller.sub";

/** The key of a call; a caller without an identity is counted by its address. */
export function keyOf(call: Call, kind: LimitKey): string {
  const { principal, peer } = call.context;
  if (kind === "caller.sub" && principal !== undefined) return `${principal.provider}\n${principal.subject}`;
  return addressKey(peer.address);
}

/** An IPv4 address, or the /64 that an IPv6 address is in: who has one has them all. */
function addressKey(address: string): string {
  if (!address.includes(":")) return address;
  const [head = "", tail] = address.split("%", 1)[0]?.split("::") ?? [];
  const left = head === "" ? [] : head.split(":");
  const right = tail === undefined || tail === "" ? [] : tail.split(":");
  const missing = Math.max(0, 8 - left.length - right.length);
  const groups =
    tail === undefined ? left : [...left, ...Array.from({ length: missing }, () => "0"), ...right];
  return groups
    .slice(0, 4)
    .map((group) => Number.parseInt(group, 16).toString(16))
    .join(":");
}
