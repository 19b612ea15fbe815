import { MethodOptions_IdempotencyLevel as Idempotency } from "@bufbuild/protobuf/wkt";
import { Code, type Context, type Metadata, Payload, RpcError } from "#rpc";
import { badRequest, parseQuery, type Violation } from "#transcode";
import { acceptEncoding, negotiateCoding } from "../content-coding.ts";
import { readDecoded } from "../content-encoding.ts";
import type { Cors } from "../cors.ts";
import type { Exchange, RequestHead } from "../exchange.ts";
import { field } from "../fields.ts";
import { unpackFor } from "../framing/compression.ts";
import { httpStatus } from "../http-status.ts";
import type { Protocol } from "../protocol.ts";
import { callMetadata, requestDeadline } from "../request-metadata.ts";
import { appendMetadata } from "../response-fields.ts";
import { retryAfterSeconds } from "../status.ts";
import { mediaType, queryOf } from "../target.ts";
import { connectError } from "./error-json.ts";
import { type MessageForm, requestWire, responseBytes } from "./message-form.ts";
import { matchOf, methodOf, onlyBy, type ServedMatch, unsupported } from "./route.ts";

export interface ConnectUnaryMatch extends ServedMatch {
  readonly form: MessageForm;
  /** The response in that form, once it is there. */
  shown: Uint8Array | undefined;
}

const getRequest = /^\/[\w.]+\/\w+\?(?:.*&)?connect=v1(?:&|$)/;

/**
 * Unary calls of the Connect protocol, by POST, and by GET for methods without side effects ("Connect Protocol
 * Reference", Unary). JSON without `connect-protocol-version` is plain REST.
 */
export const connectUnaryProtocol: Protocol<ConnectUnaryMatch> = {
  name: "connect",

  matches(head) {
    if (head.method === "GET") return head.target.includes("connect=v1") && getRequest.test(head.target);
    const type = mediaType(field(head.fields, "content-type") ?? "");
    if (type === "application/proto") return true;
    return type === "application/json" && field(head.fields, "connect-protocol-version") !== undefined;
  },

  route(head, routes) {
    const served = methodOf(head, routes);
    if (served.method.kind !== "unary")
      unsupported("streams are called with application/connect+proto or +json");
    const gets = served.method.descriptor.idempotency === Idempotency.NO_SIDE_EFFECTS;
    if (head.method !== "POST" && !(head.method === "GET" && gets)) onlyBy(gets ? ["GET", "POST"] : ["POST"]);
    return { ...matchOf(served), form: formOf(head), shown: undefined };
  },

  read(exchange, match, context) {
    const { served, form } = match;
    const { head } = exchange;
    const header = callMetadata(exchange, context);
    const bytes = () =>
      head.method === "GET" ? queryMessage(head, match) : readBody(exchange, served.bodyBytes);
    return {
      kind: "unary",
      method: served.method,
      header,
      deadline: requestDeadline(head),
      signal: exchange.signal,
      context,
      request: Payload.deferred(async () => requestWire(await bytes(), form, served), served.input),
      show(response) {
        match.shown = responseBytes(response, form);
      },
    };
  },

  write(exchange, match, call, reply) {
    if (reply.kind !== "unary") return undefined;
    const fields = answerFields(exchange, match.cors, call.context, `application/${match.form}`);
    if (exchange.head.method === "GET") fields.push("vary", "accept-encoding");
    appendMetadata(fields, reply.header);
    appendTrailers(fields, reply.trailer);
    const body = match.shown ?? responseBytes(reply.response, match.form);
    const compression = match.served.compression.whole;
    const coding =
      compression === undefined || body.length < compression.threshold
        ? undefined
        : negotiateCoding(acceptEncoding(exchange.head), compression.codings);
    if (coding === undefined) {
      exchange.respond(200, fields, body);
      return undefined;
    }
    return coding.encode(body).then((encoded) => {
      if (exchange.signal.aborted) return;
      fields.push("content-encoding", coding.name);
      exchange.respond(200, fields, encoded);
    });
  },

  fail(exchange, error, routes, context, match) {
    const cors = match === undefined ? routes.cors : match.cors;
    const isCall = httpStatus(error) !== 405;
    const fields = answerFields(exchange, cors, context, isCall ? "application/json" : undefined);
    if (error.reason !== undefined) fields.push("x-dragoman-reason", error.reason);
    if (error.allow !== undefined) fields.push("allow", error.allow.join(", "));
    if (error.challenge !== undefined) fields.push("www-authenticate", error.challenge);
    const retryAfter = retryAfterSeconds(error);
    if (retryAfter !== undefined) fields.push("retry-after", String(retryAfter));
    if (error.head !== undefined) appendMetadata(fields, error.head);
    if (error.header !== undefined) appendMetadata(fields, error.header);
    appendTrailers(fields, error.metadata);
    // What is no call of the protocol gets no error of the protocol.
    const body = isCall ? Buffer.from(JSON.stringify(connectError(error))) : undefined;
    exchange.respond(httpStatus(error), fields, body);
  },
};

/** @throws RpcError UNIMPLEMENTED for an encoding that the gateway does not know, as the protocol has it */
async function readBody(exchange: Exchange, limit: number): Promise<Uint8Array> {
  try {
    return await readDecoded(exchange, limit);
  } catch (error) {
    if (!(error instanceof RpcError) || error.reason !== "unsupported_encoding") throw error;
    throw new RpcError(Code.UNIMPLEMENTED, error.message, { reason: error.reason, httpStatus: 415 });
  }
}

function formOf(head: RequestHead): MessageForm {
  if (head.method !== "GET") {
    return mediaType(field(head.fields, "content-type") ?? "") === "application/json" ? "json" : "proto";
  }
  const form = queryValues(head).get("encoding");
  if (form === "json" || form === "proto") return form;
  return unsupported("encoding must be json or proto");
}

/** The parameters of a GET; those that the protocol does not know mean nothing. */
function queryValues({ target }: RequestHead): ReadonlyMap<string, string> {
  const parameters = parseQuery(queryOf(target), false);
  if (!Array.isArray(parameters)) throw badRequest("malformed_query", [parameters as Violation]);
  return new Map(parameters.map(({ key, value }) => [key, value]));
}

const base64 = /^[A-Za-z0-9+/_-]*={0,2}$/;

/** The message in the query of a GET, which may be base64 and compressed. @throws RpcError */
async function queryMessage(head: RequestHead, { served }: ConnectUnaryMatch): Promise<Uint8Array> {
  const values = queryValues(head);
  const text = values.get("message");
  if (text === undefined) {
    throw badRequest("malformed_query", [{ field: "message", description: "it is missing" }]);
  }
  if (values.get("base64") === "1" && !base64.test(text)) {
    throw badRequest("malformed_query", [{ field: "message", description: "it is not base64" }]);
  }
  const message = Buffer.from(text, values.get("base64") === "1" ? "base64url" : "utf8");
  const compression = values.get("compression") ?? "identity";
  const unpack = unpackFor(compression, served.messageBytes);
  return await unpack({ compressed: compression !== "identity", message });
}

function answerFields(
  exchange: Exchange,
  cors: Cors | undefined,
  context: Context,
  contentType: string | undefined,
): string[] {
  const fields = ["accept-encoding", "gzip, deflate, br"];
  if (contentType !== undefined) fields.push("content-type", contentType);
  fields.push("x-request-id", context.requestId);
  if (cors !== undefined) fields.push(...cors.fields(exchange.head));
  return fields;
}

/** Trailers of a unary call are headers with a prefix. */
function appendTrailers(fields: string[], trailer: Metadata): void {
  const plain: string[] = [];
  appendMetadata(plain, trailer);
  for (let i = 0; i < plain.length; i += 2) fields.push(`trailer-${plain[i]}`, plain[i + 1] as string);
}
