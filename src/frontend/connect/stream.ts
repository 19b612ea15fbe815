import type { Call, Context, Metadata, Payload, RpcError, StreamReply } from "#rpc";
import { BatchedWriter } from "../batched-writer.ts";
import type { Cors } from "../cors.ts";
import type { Exchange } from "../exchange.ts";
import { field } from "../fields.ts";
import { unpackFor } from "../framing/compression.ts";
import { FrameReader, frameMessage } from "../framing/frame.ts";
import { countRequests, none } from "../framing/messages.ts";
import { packingFor } from "../framing/packing.ts";
import type { Protocol } from "../protocol.ts";
import { callMetadata, requestDeadline } from "../request-metadata.ts";
import { appendMetadata } from "../response-fields.ts";
import { mediaType } from "../target.ts";
import { writeResponses } from "../write-responses.ts";
import { connectError, connectMetadata } from "./error-json.ts";
import { type MessageForm, requestPayload, responseBytes } from "./message-form.ts";
import { matchOf, methodOf, onlyBy, type ServedMatch, unsupported } from "./route.ts";

export interface ConnectStreamMatch extends ServedMatch {
  readonly form: MessageForm;
}

const prefix = "application/connect+";
const endOfStream = 0x02;

/**
 * Streams of the Connect protocol ("Connect Protocol Reference", Streaming): messages in frames both ways, and how it went
 * in a last frame of JSON.
 */
export const connectStreamProtocol: Protocol<ConnectStreamMatch> = {
  name: "connect",

  matches: (head) => field(head.fields, "content-type")?.startsWith(prefix) === true,

  route(head, routes) {
    const served = methodOf(head, routes);
    if (head.method !== "POST") onlyBy(["POST"]);
    if (served.method.kind === "unary")
      unsupported("this method is called with application/proto or application/json");
    const form = mediaType(field(head.fields, "content-type") ?? "").slice(prefix.length);
    if (form !== "proto" && form !== "json") unsupported("messages must be proto or json");
    return { ...matchOf(served), form };
  },

  read(exchange, match, context) {
    const header = callMetadata(exchange, context);
    return {
      kind: "stream",
      method: match.served.method,
      header,
      deadline: requestDeadline(exchange.head),
      signal: exchange.signal,
      context,
      requests: readRequests(exchange, match),
    };
  },

  async write(exchange, match, call, reply) {
    if (reply.kind === "stream") await writeStream(exchange, match, call, reply);
  },

  fail(exchange, error, routes, context, match) {
    const fields = answerFields(exchange, match?.cors ?? routes.cors, context, match?.form ?? "proto");
    if (error.reason !== undefined) fields.push("x-dragoman-reason", error.reason);
    if (error.challenge !== undefined) fields.push("www-authenticate", error.challenge);
    if (error.head !== undefined) appendMetadata(fields, error.head);
    const { httpStatus } = error;
    if (httpStatus === 404 || httpStatus === 405 || httpStatus === 415) {
      if (error.allow !== undefined) fields.push("allow", error.allow.join(", "));
      exchange.respond(httpStatus, fields);
    } else exchange.respond(200, fields, endFrame(error, error.metadata));
  },
};

async function* readRequests(
  exchange: Exchange,
  { served, form }: ConnectStreamMatch,
): AsyncGenerator<Payload> {
  const unpack = unpackFor(field(exchange.head.fields, "connect-content-encoding"), served.messageBytes);
  const reader = new FrameReader(served.messageBytes);
  const count = countRequests(served);
  for await (const chunk of exchange.hasBody ? exchange.body() : none()) {
    for (const frame of reader.push(chunk)) {
      count.next();
      yield requestPayload(await unpack(frame), form, served);
    }
  }
  reader.end();
  count.end();
}

async function writeStream(
  exchange: Exchange,
  match: ConnectStreamMatch,
  call: Call,
  reply: StreamReply,
): Promise<void> {
  const fields = answerFields(exchange, match.cors, call.context, match.form);
  appendMetadata(fields, reply.header);
  const { streams, compression } = match.served;
  const accepted = field(exchange.head.fields, "connect-accept-encoding");
  const packing = packingFor(accepted, compression.streams);
  if (packing.encoding !== undefined) fields.push("connect-content-encoding", packing.encoding);
  const batch = new BatchedWriter(exchange, exchange.open(200, fields), streams.unreadMs);
  const responses = reply.responses[Symbol.asyncIterator]();
  const error = await writeResponses(responses, exchange, batch, (payload) =>
    packing.push(batch, responseBytes(payload, match.form)),
  );
  batch.push(endFrame(error, error?.metadata ?? reply.trailer));
  batch.end();
}

function answerFields(
  exchange: Exchange,
  cors: Cors | undefined,
  context: Context,
  form: MessageForm,
): string[] {
  const fields = ["content-type", `${prefix}${form}`, "connect-accept-encoding", "gzip,deflate"];
  fields.push("x-request-id", context.requestId);
  if (cors !== undefined) fields.push(...cors.fields(exchange.head));
  return fields;
}

function endFrame(error: RpcError | undefined, metadata: Metadata): Uint8Array {
  const trailers = connectMetadata(metadata);
  const end = {
    ...(error === undefined ? {} : { error: connectError(error) }),
    ...(Object.keys(trailers).length === 0 ? {} : { metadata: trailers }),
  };
  const frame = frameMessage(Buffer.from(JSON.stringify(end)));
  frame[0] = endOfStream;
  return frame;
}
