import net from "node:net";
import type { Peer } from "#rpc";
import { addressesIn, plainAddress } from "./address-blocks.ts";
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
