import {
  type Call,
  type CallSignal,
  Code,
  type Context,
  Metadata,
  Payload,
  type PayloadCodec,
  RpcError,
  type UnaryCall,
} from "#rpc";
import type { Cors } from "../cors.ts";
import type { Exchange, Upgrade } from "../exchange.ts";
import { connectionOptions, type Fields } from "../fields.ts";
import type { PassThroughRoute } from "../routes.ts";

/** What carries a request that is passed through: filters see a call, and the handler finds the request again. */
export type Carrier = {
  /** What the upstream is asked for: the path in one spelling, and the query as it came. */
  readonly target: string;
} & (
  | { readonly kind: "exchange"; readonly exchange: Exchange; readonly cors: Cors | undefined }
  | { readonly kind: "upgrade"; readonly upgrade: Upgrade }
);

/** A call that stands for a request as it is. Filters derive calls by spreading, so that the carrier comes along. */
export interface PassThroughCall extends UnaryCall {
  readonly carrier: Carrier;
}

const empty = new Uint8Array(0);
const nothing: PayloadCodec = { toJson: () => empty, fromJson: () => empty };

export function emptyPayload(): Payload {
  return Payload.fromProto(empty, nothing);
}

/**
 * Filters get the header as it came, but for what is meant for the connection alone (RFC 9110 7.6.1): taken away here,
 * so that a client cannot have taken away what filters add. What they take out of it or add to it is for the forwarding to heed.
 */
export function passThroughCall(
  carrier: Carrier,
  fields: Fields,
  route: PassThroughRoute,
  context: Context,
  signal: CallSignal,
): PassThroughCall {
  const header = new Metadata();
  const named = connectionOptions(fields);
  for (let i = 0; i < fields.length; i += 2) {
    const name = fields[i] as string;
    if (!named.includes(name)) header.append(name, fields[i + 1] as string);
  }
  const request = emptyPayload();
  return {
    kind: "unary",
    method: route.method,
    header,
    deadline: undefined,
    signal,
    context,
    request,
    carrier,
    head: new Metadata(),
  };
}

/** @throws when the call did not come through `passThroughCall` */
export function carrierOf(call: Call): Carrier {
  if ("carrier" in call) return (call as PassThroughCall).carrier;
  throw new RpcError(Code.INTERNAL, "internal error of the gateway", { reason: "internal" });
}
