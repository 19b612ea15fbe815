import {
  type Call,
  CallAbort,
  type CallSignal,
  Code,
  type Context,
  eitherSignal,
  type Payload,
  type Reply,
  RpcError,
  type UnaryReply,
} from "#rpc";
import type { TranscodedResponse } from "#transcode";
import { clientGone } from "../body-error.ts";
import {
  acceptEncoding,
  type Coding,
  type Compression,
  isCompressible,
  negotiateCoding,
} from "../content-coding.ts";
import { errorAnswer, errorJson, statusFields } from "../error-answer.ts";
import type { Exchange, RequestHead } from "../exchange.ts";
import type { Protocol } from "../protocol.ts";
import { callMetadata, requestDeadline } from "../request-metadata.ts";
import { appendMetadata } from "../response-fields.ts";
import type { PassThroughRoute } from "../routes.ts";
import { viewJson } from "./json-view.ts";
import { type MethodMatch, matchRoute, type RestMatch } from "./match.ts";
import { answerOptions } from "./options.ts";
import { manyRequests, oneRequest, singleRequest } from "./requests.ts";
import { rawFormat, streamFormat } from "./stream-format.ts";
import { writeStream } from "./stream-writer.ts";

/** How a plain path is forwarded: given by whoever composes the front end, since it is a way of its own. */
export interface PassThrough {
  /** @param target what the upstream is asked for */
  read(exchange: Exchange, target: string, route: PassThroughRoute, context: Context): Call;
}

/** JSON over plain HTTP, by `google.api.http`. Takes every request that no other protocol does. */
export function createRestProtocol(passThrough: PassThrough): Protocol<RestMatch> {
  return {
    name: "rest",
    matches: () => true,
    answer: answerOptions,
    route: matchRoute,
    read: (exchange, match, context) =>
      match.kind === "passthrough"
        ? passThrough.read(exchange, match.target, match.route, context)
        : readCall(exchange, match, context),
    write(exchange, match, call, reply) {
      // A path that is passed through has been answered by its upstream.
      if (match.kind === "passthrough") return undefined;
      const { context } = call;
      if (reply.kind === "unary") return writeUnary(exchange, match, context, reply);
      if (call.method.kind === "client_streaming")
        return soleReply(reply).then((sole) => writeUnary(exchange, match, context, sole));
      return writeMany(exchange, match, context, reply);
    },
    fail(exchange, error, routes, context, match) {
      const cors = match === undefined ? routes.cors : match.cors;
      const { head } = exchange;
      const problem = isUnknownProtocol(error, match);
      const answer = errorAnswer(error, { head, context, errors: routes.errors, cors, problem });
      exchange.respond(answer.status, answer.fields, answer.body);
    },
  };
}

/**
 * A type of content that no protocol knows, at the path of a method that each of them calls: the answer must not look like
 * an error of the one that was meant.
 */
function isUnknownProtocol(error: RpcError, match: RestMatch | undefined): boolean {
  if (error.reason !== "unsupported_media_type" || match?.kind !== "method") return false;
  return match.template === match.route.served.method.path;
}

function readCall(exchange: Exchange, match: MethodMatch, context: Context): Call {
  const { method } = match.route.served;
  const header = callMetadata(exchange, context);
  const deadline = requestDeadline(exchange.head);
  if (method.kind === "unary") {
    return {
      kind: "unary",
      method,
      header,
      deadline,
      signal: exchange.signal,
      context,
      head: undefined,
      request: singleRequest(exchange, match),
      show: (response) => {
        match.shown = answerOf(response, match);
      },
    };
  }
  const signal = exchange.head.method === "HEAD" ? headSignal(exchange, match) : exchange.signal;
  const base = { method, header, deadline, signal, context };
  switch (method.kind) {
    case "server_streaming":
      return { ...base, kind: "stream", requests: oneRequest(exchange, match) };
    default:
      return { ...base, kind: "stream", requests: manyRequests(exchange, match) };
  }
}

/** Ends with the exchange, or once the head is known: nothing else of a call is wanted. */
function headSignal({ signal }: Exchange, match: MethodMatch): CallSignal {
  const left = new CallAbort();
  match.leave = () => left.abort(clientGone());
  return eitherSignal(signal, left);
}

function commonFields(head: RequestHead, match: MethodMatch, context: Context): string[] {
  const fields = ["x-request-id", context.requestId];
  addCors(fields, head, match);
  return fields;
}

function addCors(fields: string[], head: RequestHead, { cors }: MethodMatch): void {
  if (cors !== undefined) fields.push(...cors.fields(head));
}

function writeUnary(
  exchange: Exchange,
  match: MethodMatch,
  context: Context,
  reply: UnaryReply,
): Promise<void> | undefined {
  const { transcoder } = match;
  if (isNoContent(match)) {
    const fields = commonFields(exchange.head, match, context);
    appendMetadata(fields, reply.header);
    appendMetadata(fields, reply.trailer);
    exchange.respond(204, fields);
    return undefined;
  }
  const answer = match.shown ?? answerOf(reply.response, match);
  const fields = ["content-type", answer.contentType, "x-request-id", context.requestId];
  addCors(fields, exchange.head, match);
  if (transcoder.outputIsHttpBody) fields.push("x-content-type-options", "nosniff");
  appendMetadata(fields, reply.header);
  appendMetadata(fields, reply.trailer);
  const compression = match.route.served.compression.whole;
  if (
    compression === undefined ||
    answer.body.length < compression.threshold ||
    (transcoder.outputIsHttpBody && !isCompressible(answer.contentType))
  ) {
    exchange.respond(200, fields, answer.body);
    return undefined;
  }
  const coding = codingFor(exchange.head, fields, reply, compression.codings);
  if (coding !== undefined) return respondEncoded(exchange, fields, answer.body, coding);
  exchange.respond(200, fields, answer.body);
  return undefined;
}

/** A message without fields, which the configuration shows as no content at all. */
function isNoContent({ route }: MethodMatch): boolean {
  return (
    route.answers.emptyIsNoContent &&
    route.served.method.descriptor.output.typeName === "google.protobuf.Empty"
  );
}

/** @throws RpcError for a response that cannot be shown */
function answerOf(response: Payload, match: MethodMatch): TranscodedResponse {
  return wantsWire(match)
    ? { contentType: match.mediaType, body: response.proto() }
    : shown(match.transcoder.response(response.proto()), match);
}

/** An answer as the caller wants to see it. */
function shown(answer: TranscodedResponse, { view, transcoder }: MethodMatch): TranscodedResponse {
  if (view === undefined || transcoder.outputIsHttpBody) return answer;
  return { ...answer, body: viewJson(answer.body, view) };
}

/** The coding of an answer that might have one, which caches are told. */
function codingFor(
  head: RequestHead,
  fields: string[],
  { header }: Reply,
  codings: Compression["codings"],
): Coding | undefined {
  fields.push("vary", "accept-encoding");
  // RFC 9111 5.2.2.6
  if (header.get("cache-control")?.includes("no-transform") === true) return undefined;
  return negotiateCoding(acceptEncoding(head), codings);
}

async function respondEncoded(
  exchange: Exchange,
  fields: string[],
  body: Uint8Array,
  { name, encode }: Coding,
): Promise<void> {
  const encoded = await encode(body);
  if (exchange.signal.aborted) return;
  exchange.respond(200, [...fields, "content-encoding", name], encoded);
}

function wantsWire(match: MethodMatch): boolean {
  return match.mediaType.endsWith("protobuf");
}

/** The one response of a method that streams only its requests, once the stream has ended well. */
async function soleReply(reply: Reply & { kind: "stream" }): Promise<UnaryReply> {
  let response: Payload | undefined;
  for await (const payload of reply.responses) {
    if (response !== undefined) throw cardinality("more than one response");
    response = payload;
  }
  if (response === undefined) throw cardinality("no response");
  return { kind: "unary", header: reply.header, response, trailer: reply.trailer };
}

function cardinality(message: string): RpcError {
  return new RpcError(Code.INTERNAL, `the upstream sent ${message}`, {
    reason: "upstream_protocol",
    httpStatus: 502,
  });
}

function writeMany(
  exchange: Exchange,
  match: MethodMatch,
  context: Context,
  reply: Reply & { kind: "stream" },
) {
  const { transcoder, view } = match;
  const { method, streams, compression } = match.route.served;
  const codings = compression.streams?.codings.filter(({ stream }) => stream !== undefined);
  const raw = transcoder.outputIsHttpBody;
  // A message is a line, or part of one.
  const onLines = view === undefined ? undefined : { mask: view.mask, indented: false };
  const fields = commonFields(exchange.head, match, context);
  // Tells clients why they may have seen nothing before they had sent everything.
  if (method.kind === "bidi_streaming" && exchange.httpVersion === "1.1") {
    fields.push("x-dragoman-duplex", "half");
  }
  return writeStream({
    exchange,
    reply,
    streams,
    hold: match.hold,
    leave: match.leave,
    coding: (own, mediaType) =>
      codings === undefined || !isCompressible(mediaType)
        ? undefined
        : codingFor(exchange.head, own, reply, codings),
    format: (first) => {
      if (!raw) return streamFormat(match.route.answers.streamFormat, match.mediaType, streams);
      return rawFormat(
        first === undefined ? "application/octet-stream" : transcoder.response(first.proto()).contentType,
      );
    },
    bytes(payload, format) {
      const wire = payload.proto();
      if (format.payload === "wire" && !raw) return wire;
      const { body } = transcoder.response(wire);
      return onLines === undefined || raw ? body : viewJson(body, onLines);
    },
    fields,
    statusJson: (error) => errorJson(error, match.errors),
    statusFields: (error) => statusFields(error, match.errors),
  });
}
