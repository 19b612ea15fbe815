import type { Context, Peer } from "#rpc";
import type { RequestHead } from "./exchange.ts";
import { field, fieldValues } from "./fields.ts";
import { clientPeer, type TrustsPeer } from "./peer.ts";
import { isRequestId, nextRequestId } from "./request-id.ts";

/** What an exchange or an upgrade tells of itself. */
export interface Arrival {
  readonly head: RequestHead;
  readonly peer: Peer;
  readonly startedAt: number;
}

/** The context of a call that begins. */
export function newContext(arrival: Arrival, protocol: string, route: string, trusts: TrustsPeer): Context {
  const { head, peer, startedAt } = arrival;
  const query = head.target.indexOf("?");
  const given = trusts(peer.address) ? field(head.fields, "x-request-id") : undefined;
  return {
    requestId: given !== undefined && isRequestId(given) ? given : nextRequestId(),
    protocol,
    peer: clientPeer(peer, head.fields, trusts),
    secure: isSecure(arrival, trusts),
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
  };
}

/** A trusted proxy knows better how its client speaks; the last one that said so is the one that is trusted. */
function isSecure({ head, peer }: Arrival, trusts: TrustsPeer): boolean {
  if (!trusts(peer.address)) return head.scheme === "https";
  const said = fieldValues(head.fields, "x-forwarded-proto").at(-1)?.split(",").at(-1)?.trim().toLowerCase();
  return (said ?? head.scheme) === "https";
}
