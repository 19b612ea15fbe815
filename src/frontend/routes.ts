import type { Codec } from "#codec";
import type { RouteTable } from "#route";
import type { Handler, RpcError } from "#rpc";
import type { Method } from "#schema";
import type { Transcoder } from "#transcode";
import type { Cors } from "./cors.ts";

/** A method as it is served: with its whole plan, so that the hot path looks nothing up. */
export interface ServedMethod {
  readonly method: Method;
  /** The upstream's channel within all filters. */
  readonly handler: Handler;
  readonly input: Codec;
  readonly output: Codec;
  /** Bytes that one request message may have, on any wire. */
  readonly messageBytes: number;
  /** Bytes that a request body which is buffered whole may have. */
  readonly bodyBytes: number;
  readonly cors: Cors | undefined;
}

/** A way to a method by path: an HTTP rule, or `POST /pkg.Service/Method`. */
export interface MethodRoute {
  readonly kind: "method";
  readonly served: ServedMethod;
  readonly transcoder: Transcoder;
  /** For logs and metrics. */
  readonly template: string;
}

/** A plain path that goes to an HTTP upstream as it is. */
export interface PassThroughRoute {
  readonly kind: "passthrough";
  /** The filters around the forwarding; see `passthrough/`. */
  readonly handler: Handler;
  readonly method: Method;
  readonly template: string;
  readonly cors: Cors | undefined;
}

export type Route = MethodRoute | PassThroughRoute;

/** Everything that a protocol needs of a snapshot. Immutable; an exchange keeps the one that it began with. */
export interface Routes {
  /** HTTP rules and pass-through paths. */
  readonly table: RouteTable<Route>;
  /** By gRPC path, `/pkg.Service/Method`. */
  readonly methods: ReadonlyMap<string, MethodRoute>;
  /** For `google.protobuf.Any`, knowing every type in the schema: how details of errors are shown. */
  readonly any: Codec;
  /** The observers around a refusal that no method is charged with: rejects with that very error. */
  readonly unrouted: { readonly method: Method; handler(error: RpcError): Handler };
  /** The policy for answers that belong to no method. */
  readonly cors: Cors | undefined;
}
