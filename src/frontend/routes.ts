import type { Codec } from "#codec";
import type { RouteTable } from "#route";
import type { Handler, RpcError } from "#rpc";
import type { Method } from "#schema";
import type { Transcoder } from "#transcode";
import type { Compression } from "./content-coding.ts";
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
  readonly streams: StreamOptions;
  readonly compression: AnswerCompression;
}

/** What is compressed for those who ask; undefined for what never is. */
export interface AnswerCompression {
  /** Answers that are there whole. */
  readonly whole: Compression | undefined;
  /** Streams of responses. */
  readonly streams: Compression | undefined;
}

/** How streams of responses are written. */
export interface StreamOptions {
  /** How long the head of an answer over plain HTTP waits for the first message, in milliseconds. */
  readonly holdMs: number;
  /** How long server-sent events may be silent before a comment is sent; undefined for ever. */
  readonly heartbeatMs: number | undefined;
  /** What an EventSource is told to wait before it connects again; undefined to leave that to it. */
  readonly retryMs: number | undefined;
  /** The event that tells of a good end. */
  readonly endEvent: string;
  /** The id of a response as an event, from its wire form; undefined where no field is designated. */
  readonly eventId: EventId | undefined;
  /** How long a client may leave what was sent to it unread before its stream is torn down, on any protocol. */
  readonly unreadMs: number;
}

/** The id of one event; undefined for a message that gives none. */
export type EventId = (wire: Uint8Array) => string | undefined;

/** A way to a method by path: an HTTP rule, or `POST /pkg.Service/Method`. */
export interface MethodRoute {
  readonly kind: "method";
  readonly served: ServedMethod;
  readonly transcoder: Transcoder;
  /** The same with enum values as numbers. */
  readonly numbersTranscoder: Transcoder;
  readonly answers: AnswerOptions;
  /** For logs and metrics. */
  readonly template: string;
}

/** A plain path that goes to an HTTP upstream as it is. */
export interface PassThroughRoute {
  readonly kind: "passthrough";
  /** `%2F` and `%5C` go on as they are, whatever the upstream makes of them. */
  readonly keepsEscapedSlashes: boolean;
  /** The filters around the forwarding; see `passthrough/`. */
  readonly handler: Handler;
  readonly method: Method;
  readonly template: string;
  readonly cors: Cors | undefined;
}

export type Route = MethodRoute | PassThroughRoute;

/** How answers of a method are laid out. */
export interface AnswerOptions {
  /** What those get who accept anything for a stream: see `stream-format.ts`. */
  readonly streamFormat: "ndjson" | "array" | "grpc-gateway";
  /** `google.protobuf.Empty` is 204 without a body. */
  readonly emptyIsNoContent: boolean;
  /** `$alt`, `$fields` and `$prettyPrint` count. */
  readonly systemParameters: boolean;
}

/** How errors are shown to those who speak plain HTTP. */
export interface ErrorOptions {
  /** The codec for `google.protobuf.Any`, knowing every type in the schema: how details are shown. */
  readonly any: Codec;
  /** `google.rpc.Status`, or what Google's APIs make of it. */
  readonly form: "status" | "google";
  /** Show the status in headers too. */
  readonly statusHeaders: boolean;
}

/** Ways to ask for a route beside method and path. */
export interface RequestOptions {
  readonly methodOverride: boolean;
  readonly formBodies: boolean;
}

/** Everything that a protocol needs of a snapshot. Immutable; an exchange keeps the one that it began with. */
export interface Routes {
  /** HTTP rules and pass-through paths. */
  readonly table: RouteTable<Route>;
  /** By gRPC path, `/pkg.Service/Method`. */
  readonly methods: ReadonlyMap<string, MethodRoute>;
  readonly errors: ErrorOptions;
  readonly requests: RequestOptions;
  /** The observers around a refusal that no method is charged with: rejects with that very error. */
  readonly unrouted: { readonly method: Method; handler(error: RpcError): Handler };
  /** The policy for answers that belong to no method. */
  readonly cors: Cors | undefined;
}
