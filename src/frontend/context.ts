import type { Context, Peer } from "#rpc";
import type { RequestHead } from "./exchange.ts";
import { field } from "./fields.ts";
import { clientOrigin, clientPeer, type TrustsPeer } from "./peer.ts";
import { isRequestId, nextRequestId } from "./request-id.ts";

/** What an exchange or an upgrade tells of itself. */
export interface Arrival {
  readonly head: RequestHead;
  readonly peer: Peer;
  readonly startedAt: number;
  /** `1.1` when absent. */
  readonly httpVersion?: "1.1" | "2";
}

/** Not by the versions themselves: V8 takes a name like `2` for the index of an array, and reads it each time anew. */
export interface ViaLines {
  readonly http1: string;
  readonly http2: string;
}

/** What the gateway makes of where requests come from. */
export interface Edge {
  readonly trusts: TrustsPeer;
  /** What `via` says of the gateway, by the version of HTTP that a request came in; untold when undefined. */
  readonly via: ViaLines | undefined;
}

/** The context of a call that begins. */
export function newContext(
  arrival: Arrival,
  protocol: string,
  route: string,
  { trusts, via }: Edge,
): Context {
  const { head, peer, startedAt, httpVersion = "1.1" } = arrival;
  const query = head.target.indexOf("?");
  const trusted = trusts(peer.address);
  const given = trusted ? field(head.fields, "x-request-id") : undefined;
  const client = trusted ? clientPeer(peer, head.fields, trusts) : peer;
  const origin = trusted ? clientOrigin(client, head.fields, trusts) : undefined;
  return {
    requestId: given !== undefined && isRequestId(given) ? given : nextRequestId(),
    protocol,
    peer: client,
    secure: (origin?.proto ?? head.scheme) === "https",
    forwardedHost: origin?.host,
    via: httpVersion === "2" ? via?.http2 : via?.http1,
    httpMethod: head.method,
    httpPath: query < 0 ? head.target : head.target.slice(0, query),
    httpQuery: query < 0 ? "" : head.target.slice(query + 1),
    authority: head.authority,
    route,
    startedAt,
    principal: undefined,
    upstream: undefined,
    endpoint: undefined,
    tried: [],
    attempts: 0,
    queuedMs: 0,
    upstreamMs: undefined,
    endedAt: undefined,
  };
}
