import net from "node:net";
import type { Peer } from "#rpc";
import { type Fields, fieldValues } from "./fields.ts";
import { forwardedElements } from "./forwarded-elements.ts";
import { isAuthority } from "./head.ts";

/** Where trusted proxies say for whom they speak; the other field is not looked at, since they would let it pass. */
export type ForwardedField = "x-forwarded-for" | "forwarded";

/** Tells which peers may speak for others. */
export interface TrustsPeer {
  (address: string): boolean;
  /** Where they say for whom; `x-forwarded-for` when absent. */
  readonly from?: ForwardedField;
}

/** From addresses and CIDR blocks; an empty list trusts nobody. */
export function trustedPeers(
  blocks: readonly string[],
  from: ForwardedField = "x-forwarded-for",
): TrustsPeer {
  return Object.assign(addressesIn(blocks), { from });
}

function addressesIn(blocks: readonly string[]): (address: string) => boolean {
  if (blocks.length === 0) return () => false;
  const list = new net.BlockList();
  for (const block of blocks) {
    const [address = "", prefix] = block.split("/");
    const family = net.isIPv6(address) ? "ipv6" : "ipv4";
    if (prefix === undefined) list.addAddress(address, family);
    else list.addSubnet(address, Number(prefix), family);
  }
  return (address) => isAddress(address) && list.check(address, net.isIPv6(address) ? "ipv6" : "ipv4");
}

/** Whose calls are taken by their address: of those who are allowed, if any are named, and not of those who are denied. */
export function admitting(
  allow: readonly string[] | undefined,
  deny: readonly string[] | undefined,
): ((address: string) => boolean) | undefined {
  if (allow === undefined && deny === undefined) return undefined;
  const allowed = allow === undefined ? () => true : addressesIn(allow);
  const denied = addressesIn(deny ?? []);
  return (address) => allowed(address) && !denied(address);
}

/** An IPv4 address that came as IPv6 as what it is (RFC 4291 2.5.5.2). */
export function plainAddress(address: string): string {
  if (!/^::ffff:/i.test(address)) return address;
  const rest = address.slice(7);
  if (net.isIPv4(rest)) return rest;
  const groups = /^([\da-f]{1,4}):([\da-f]{1,4})$/i.exec(rest);
  if (groups === null) return address;
  const [high = 0, low = 0] = groups.slice(1).map((group) => Number.parseInt(group, 16));
  return [high >> 8, high & 255, low >> 8, low & 255].join(".");
}

/** A zone means something on one machine alone. */
function isAddress(text: string): boolean {
  return net.isIP(text) !== 0 && !text.includes("%");
}

/**
 * Who really calls: the socket's peer, unless that is trusted to speak for others; then the last address that they were told
 * of, read from the right, that is not itself trusted. What is not an address ends the walk.
 */
export function clientPeer(peer: Peer, fields: Fields, trusts: TrustsPeer): Peer {
  if (!trusts(peer.address)) return peer;
  const chain = chainOf(fields, trusts);
  let client = peer;
  const hops: string[] = [];
  for (let i = chain.length - 1; i >= 0; i--) {
    const address = (chain[i] as string).trim();
    if (!isAddress(address)) break;
    hops.unshift(client.address);
    client = { address: plainAddress(address), port: 0, hops };
    if (!trusts(client.address)) break;
  }
  return client;
}

function chainOf(fields: Fields, { from }: TrustsPeer): readonly string[] {
  if (from === "forwarded")
    return forwardedElements(fieldValues(fields, "forwarded")).map(({ node }) => node);
  return fieldValues(fields, "x-forwarded-for").flatMap((value) => value.split(","));
}

/** How the client has come to the first of the proxies that are trusted; what nobody says is undefined. */
export interface Origin {
  /** `https`, `http`. */
  readonly proto: string | undefined;
  /** The authority that it asked for, in lower case. */
  readonly host: string | undefined;
}

/**
 * What a trusted peer says of how its client came: by the field that it fills in, or by `x-forwarded-proto` and
 * `x-forwarded-host`, the last of several.
 *
 * @param client what `clientPeer` made of it
 */
export function clientOrigin(client: Peer, fields: Fields, { from }: TrustsPeer): Origin {
  if (from !== "forwarded")
    return { proto: last(fields, "x-forwarded-proto"), host: authority(last(fields, "x-forwarded-host")) };
  const elements = forwardedElements(fieldValues(fields, "forwarded"));
  // Each element tells of one hop: the one that names the client tells how it came.
  const { proto, host } = elements[elements.length - (client.hops?.length ?? 0)] ?? {};
  return { proto, host: authority(host) };
}

function last(fields: Fields, name: string): string | undefined {
  return fieldValues(fields, name).at(-1)?.split(",").at(-1)?.trim().toLowerCase();
}

function authority(text: string | undefined): string | undefined {
  return text !== undefined && isAuthority(text) ? text : undefined;
}
