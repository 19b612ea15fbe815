import { Code, type Context, Payload, RpcError, type StreamReply } from "#rpc";
import { BatchedWriter } from "../batched-writer.ts";
import type { Compression } from "../content-coding.ts";
import type { Exchange, RequestHead } from "../exchange.ts";
import { field } from "../fields.ts";
import { acceptedEncodings, unpackFor } from "../framing/compression.ts";
import { none, readMessages, SoleMessage } from "../framing/messages.ts";
import { frameWith, type Packing, packingFor } from "../framing/packing.ts";
import { appendGrpcMetadata, errorFields, okFields } from "../framing/status-fields.ts";
import type { Match, Protocol } from "../protocol.ts";
import { callMetadata, requestDeadline } from "../request-metadata.ts";
import type { ServedMethod, StreamOptions } from "../routes.ts";
import { mediaType, pathOf } from "../target.ts";
import { writeResponses } from "../write-responses.ts";

export interface GrpcMatch extends Match {
  readonly served: ServedMethod;
}

/** `application/grpc`, perhaps with `+proto`: what the gateway can carry without knowing another codec. */
const contentType = "application/grpc";
const carried: ReadonlySet<string> = new Set([contentType, `${contentType}+proto`]);

/** Native gRPC over HTTP/2 ("PROTOCOL-HTTP2.md"): the messages pass through untouched. */
export const grpcProtocol: Protocol<GrpcMatch> = {
  name: "grpc",

  matches(head) {
    const type = field(head.fields, "content-type");
    if (type === undefined || !type.startsWith(contentType)) return false;
    const next = type.charCodeAt(contentType.length);
    // "+" and ";" may follow; "-web" is another protocol.
    return Number.isNaN(next) || next === 43 || next === 59 || next === 32;
  },

  route(head, routes) {
    const route = routes.methods.get(pathOf(head.target));
    if (route === undefined) {
      throw new RpcError(Code.UNIMPLEMENTED, "no such method", { reason: "route_not_found" });
    }
    if (head.method !== "POST") {
      throw new RpcError(Code.UNIMPLEMENTED, "gRPC calls are POST", {
        reason: "method_not_allowed",
        httpStatus: 405,
      });
    }
    const { served } = route;
    return { served, handler: served.handler, template: served.method.path, cors: served.cors };
  },

  read(exchange, match, context) {
    const { served } = match;
    if (exchange.httpVersion !== "2") {
      throw new RpcError(Code.UNIMPLEMENTED, "gRPC needs HTTP/2", {
        reason: "protocol_mismatch",
        httpStatus: 505,
      });
    }
    if (!carried.has(mediaType(field(exchange.head.fields, "content-type") ?? ""))) {
      throw new RpcError(Code.UNIMPLEMENTED, "the messages must be protobuf", {
        reason: "unsupported_media_type",
        httpStatus: 415,
      });
    }
    const unpack = unpackFor(field(exchange.head.fields, "grpc-encoding"), served.messageBytes);
    const header = callMetadata(exchange, context);
    const { method } = served;
    const deadline = requestDeadline(exchange.head);
    const { signal } = exchange;
    if (method.kind !== "unary") {
      const base = { method, header, deadline, signal, context };
      const chunks = exchange.hasBody ? exchange.body() : none();
      return { ...base, kind: "stream", requests: readMessages(chunks, served, unpack) };
    }
    const request = Payload.awaited(new SoleMessage(exchange, served, unpack), served.input);
    return {
      kind: "unary",
      method,
      header,
      deadline,
      signal,
      context,
      head: undefined,
      request,
      show: undefined,
    };
  },

  write(exchange, { served }, call, reply) {
    const fields = answerFields(call.context);
    appendGrpcMetadata(fields, reply.header);
    const { compression, streams } = served;
    const packing = answerPacking(exchange.head, compression[reply.kind === "unary" ? "whole" : "streams"]);
    if (packing.encoding !== undefined) fields.push("grpc-encoding", packing.encoding);
    if (reply.kind === "stream") return writeStream(exchange, fields, reply, packing, streams);
    const frame = frameWith(packing, reply.response.proto());
    if (frame instanceof Uint8Array) {
      exchange.respond(200, fields, frame, okFields(reply.trailer));
      return undefined;
    }
    return frame.then((packed) => {
      if (!exchange.signal.aborted) exchange.respond(200, fields, packed, okFields(reply.trailer));
    });
  },

  fail(exchange, error, _routes, context) {
    const fields = answerFields(context);
    if (error.challenge !== undefined) fields.push("www-authenticate", error.challenge);
    if (error.head !== undefined) appendGrpcMetadata(fields, error.head);
    if (error.reason === "protocol_mismatch" || error.httpStatus === 405 || error.httpStatus === 415) {
      exchange.respond(error.httpStatus ?? 400, [...fields, ...errorFields(error)]);
    } else if (error.header === undefined) {
      // Head and status in one block ("Trailers-Only"): a client that saw a head would not try again (gRFC A6).
      exchange.respond(200, [...fields, ...errorFields(error)]);
    } else {
      appendGrpcMetadata(fields, error.header);
      exchange.respond(200, fields, undefined, errorFields(error));
    }
  },
};

/**
 * A client that compresses asks for answers that are. What it accepts is no such wish: most libraries of gRPC accept all
 * that they know.
 */
function answerPacking({ fields }: RequestHead, compression: Compression | undefined): Packing {
  const own = field(fields, "grpc-encoding");
  if (own === undefined || own === "identity") return packingFor(undefined, compression);
  const accepted = field(fields, "grpc-accept-encoding")
    ?.split(",")
    .map((name) => name.trim());
  return packingFor(accepted?.includes(own) === false ? accepted.join(",") : own, compression);
}

function answerFields(context: Context): string[] {
  return [
    "content-type",
    `${contentType}+proto`,
    "grpc-accept-encoding",
    acceptedEncodings,
    "x-request-id",
    context.requestId,
  ];
}

async function writeStream(
  exchange: Exchange,
  fields: readonly string[],
  reply: StreamReply,
  packing: Packing,
  { unreadMs }: StreamOptions,
): Promise<void> {
  const batch = new BatchedWriter(exchange, exchange.open(200, fields), unreadMs);
  const responses = reply.responses[Symbol.asyncIterator]();
  const error = await writeResponses(responses, exchange, batch, (payload) =>
    packing.push(batch, payload.proto()),
  );
  batch.end(error === undefined ? okFields(reply.trailer) : errorFields(error));
}
