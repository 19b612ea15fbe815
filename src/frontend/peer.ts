import net from "node:net";
import type { Peer } from "#rpc";
import { type Fields, fieldValues } from "./fields.ts";

/** Tells which socket peers may speak for others. */
export type TrustsPeer = (address: string) => boolean;

/** From addresses and CIDR blocks; an empty list trusts nobody. */
export function trustedPeers(blocks: readonly string[]): TrustsPeer {
  if (blocks.length === 0) return () => false;
  const list = new net.BlockList();
  for (const block of blocks) {
    const [address = "", prefix] = block.split("/");
    const family = net.isIPv6(address) ? "ipv6" : "ipv4";
    if (prefix === undefined) list.addAddress(address, family);
    else list.addSubnet(address, Number(prefix), family);
  }
  return (address) => net.isIP(address) !== 0 && list.check(address, net.isIPv6(address) ? "ipv6" : "ipv4");
}

/**
 * Who really calls: the socket's peer, unless that is trusted to speak for others; then the last address of
 * `x-forwarded-for`, read from the right, that is not itself trusted. What is not an address ends the walk.
 */
export function clientPeer(peer: Peer, fields: Fields, trusts: TrustsPeer): Peer {
  if (!trusts(peer.address)) return peer;
  const chain = fieldValues(fields, "x-forwarded-for").flatMap((value) => value.split(","));
  let client = peer;
  for (let i = chain.length - 1; i >= 0; i--) {
    const address = (chain[i] as string).trim();
    if (net.isIP(address) === 0) break;
    client = { address, port: 0 };
    if (!trusts(address)) break;
  }
  return client;
}
