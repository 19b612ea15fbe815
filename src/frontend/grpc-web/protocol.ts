import { Code, type Context, Payload, RpcError, type StreamReply } from "#rpc";
import { BatchedWriter } from "../batched-writer.ts";
import type { Cors } from "../cors.ts";
import type { Exchange, RequestHead } from "../exchange.ts";
import { field } from "../fields.ts";
import { forwardedMetadata } from "../forwarded.ts";
import { acceptedEncodings, unpackFor } from "../framing/compression.ts";
import { frameMessage, prefixBytes } from "../framing/frame.ts";
import { none, readMessages, readSole } from "../framing/messages.ts";
import { frameWith, type Packing, packingFor } from "../framing/packing.ts";
import { appendGrpcMetadata, errorFields, okFields } from "../framing/status-fields.ts";
import type { Match, Protocol } from "../protocol.ts";
import { requestDeadline, requestMetadata } from "../request-metadata.ts";
import type { ServedMethod } from "../routes.ts";
import { mediaType, pathOf } from "../target.ts";
import { writeResponses } from "../write-responses.ts";
import { decodedText, decodedWhole, encodeText } from "./text.ts";

export interface GrpcWebMatch extends Match {
  readonly served: ServedMethod;
  /** The answer is base64: what the client accepts, or else how it asked. */
  readonly answersText: boolean;
}

const binary = "application/grpc-web";
const text = "application/grpc-web-text";
const carried: ReadonlySet<string> = new Set([binary, `${binary}+proto`, text, `${text}+proto`]);

/**
 * gRPC-Web over http/1.1 and HTTP/2 ("PROTOCOL-WEB.md"): gRPC whose trailers come as the last frame of the body, and
 * whose body may be base64, for browsers.
 */
export const grpcWebProtocol: Protocol<GrpcWebMatch> = {
  name: "grpc-web",

  matches: (head) => field(head.fields, "content-type")?.startsWith(binary) === true,

  route(head, routes) {
    const route = routes.methods.get(pathOf(head.target));
    if (route === undefined) {
      throw new RpcError(Code.UNIMPLEMENTED, "no such method", { reason: "route_not_found" });
    }
    if (head.method !== "POST") {
      throw new RpcError(Code.UNIMPLEMENTED, "gRPC-Web calls are POST", {
        reason: "method_not_allowed",
        httpStatus: 405,
        allow: ["POST"],
      });
    }
    const { served } = route;
    return {
      served,
      handler: served.handler,
      template: served.method.path,
      cors: served.cors,
      answersText: answersText(head),
    };
  },

  read(exchange, match, context) {
    const { served } = match;
    const { fields } = exchange.head;
    const type = mediaType(field(fields, "content-type") ?? "");
    if (!carried.has(type)) {
      throw new RpcError(Code.UNIMPLEMENTED, "the messages must be protobuf", {
        reason: "unsupported_media_type",
        httpStatus: 415,
      });
    }
    const isText = type.startsWith(text);
    const unpack = unpackFor(field(fields, "grpc-encoding"), served.messageBytes);
    const header = requestMetadata({ fields });
    forwardedMetadata(header, exchange, context);
    const base = {
      method: served.method,
      header,
      deadline: requestDeadline(exchange.head),
      signal: exchange.signal,
      context,
    };
    if (served.method.kind !== "unary") {
      const chunks = exchange.hasBody ? exchange.body() : none();
      const requests = readMessages(isText ? decodedText(chunks) : chunks, served, unpack);
      return { ...base, kind: "stream", requests };
    }
    const limit = served.messageBytes + prefixBytes;
    const whole = () =>
      isText ? decodedWhole(exchange.readBody(Math.ceil(limit / 3) * 4)) : exchange.readBody(limit);
    return {
      ...base,
      kind: "unary",
      request: Payload.deferred(() => readSole(whole, served, unpack), served.input),
    };
  },

  write(exchange, match, call, reply) {
    const fields = answerFields(exchange.head, match.answersText, match.cors, call.context);
    appendGrpcMetadata(fields, reply.header);
    const { compression } = match.served;
    const packing = packingFor(
      field(exchange.head.fields, "grpc-accept-encoding"),
      compression[reply.kind === "unary" ? "whole" : "streams"],
    );
    if (packing.encoding !== undefined) fields.push("grpc-encoding", packing.encoding);
    if (reply.kind === "stream") return writeStream(exchange, fields, reply, packing, match);
    const respond = (frame: Uint8Array): void => {
      const body = Buffer.concat([frame, trailerFrame(okFields(reply.trailer))]);
      exchange.respond(200, fields, match.answersText ? encodeText(body) : body);
    };
    const frame = frameWith(packing, reply.response.proto());
    if (frame instanceof Uint8Array) {
      respond(frame);
      return undefined;
    }
    return frame.then((packed) => {
      if (!exchange.signal.aborted) respond(packed);
    });
  },

  fail(exchange, error, routes, context, match) {
    const { head } = exchange;
    const cors = match === undefined ? routes.cors : match.cors;
    const isText = answersText(head);
    const fields = answerFields(head, isText, cors, context);
    if (error.challenge !== undefined) fields.push("www-authenticate", error.challenge);
    if (error.head !== undefined) appendGrpcMetadata(fields, error.head);
    if (error.header !== undefined) {
      appendGrpcMetadata(fields, error.header);
      const body = trailerFrame(errorFields(error));
      exchange.respond(200, fields, isText ? encodeText(body) : body);
      return;
    }
    fields.push(...errorFields(error));
    if (error.allow !== undefined) fields.push("allow", error.allow.join(", "));
    const { httpStatus } = error;
    exchange.respond(httpStatus === 405 || httpStatus === 415 ? httpStatus : 200, fields);
  },
};

function answersText(head: RequestHead): boolean {
  const accept = field(head.fields, "accept") ?? "";
  if (accept.includes(binary)) return accept.includes(text);
  return field(head.fields, "content-type")?.startsWith(text) === true;
}

function answerFields(
  head: RequestHead,
  isText: boolean,
  cors: Cors | undefined,
  context: Context,
): string[] {
  const fields = [
    "content-type",
    `${isText ? text : binary}+proto`,
    "grpc-accept-encoding",
    acceptedEncodings,
    "x-request-id",
    context.requestId,
  ];
  if (cors !== undefined) fields.push(...cors.fields(head));
  return fields;
}

async function writeStream(
  exchange: Exchange,
  fields: readonly string[],
  reply: StreamReply,
  packing: Packing,
  { served, answersText }: GrpcWebMatch,
): Promise<void> {
  const batch = new BatchedWriter(exchange, exchange.open(200, fields), served.streams.unreadMs);
  const responses = reply.responses[Symbol.asyncIterator]();
  const pushText = async (message: Uint8Array): Promise<void> =>
    batch.push(encodeText(await frameWith(packing, message)));
  const error = await writeResponses(responses, exchange, batch, (payload) =>
    answersText ? pushText(payload.proto()) : packing.push(batch, payload.proto()),
  );
  const last = trailerFrame(error === undefined ? okFields(reply.trailer) : errorFields(error));
  batch.push(answersText ? encodeText(last) : last);
  batch.end();
}

/** Trailers as a frame of their own, in the form of http/1.1 fields. */
function trailerFrame(fields: readonly string[]): Uint8Array {
  let lines = "";
  for (let i = 0; i < fields.length; i += 2) lines += `${fields[i]}: ${fields[i + 1]}\r\n`;
  const frame = frameMessage(Buffer.from(lines, "latin1"));
  frame[0] = 0x80;
  return frame;
}
