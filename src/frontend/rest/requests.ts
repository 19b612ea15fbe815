import { Payload } from "#rpc";
import { decodedPieces, readDecoded, requireKnownEncoding } from "../content-encoding.ts";
import type { Exchange } from "../exchange.ts";
import { field } from "../fields.ts";
import { mediaType, queryOf } from "../target.ts";
import { requireJson } from "./body.ts";
import { JsonSplitter } from "./json-splitter.ts";
import type { MethodMatch } from "./match.ts";

/** The one request message of an exchange, to be read and transcoded when somebody needs it. */
export function singleRequest(exchange: Exchange, match: MethodMatch): Payload {
  return Payload.deferred(() => transcodeSingle(exchange, match), match.route.served.input);
}

function transcodeSingle(exchange: Exchange, match: MethodMatch): Promise<Uint8Array> | Uint8Array {
  const { transcoder } = match;
  const query = queryOf(exchange.head.target);
  if (!exchange.hasBody || (transcoder.ignoresBody && !match.formIsQuery)) {
    return transcoder.request(match.captures, query, undefined, undefined);
  }
  return transcodeBody(exchange, match, query);
}

async function transcodeBody(exchange: Exchange, match: MethodMatch, query: string): Promise<Uint8Array> {
  const { served } = match.route;
  const { transcoder } = match;
  if (match.formIsQuery) {
    requireKnownEncoding(exchange.head);
    const form = Buffer.from(await readDecoded(exchange, served.bodyBytes)).toString("latin1");
    return transcoder.request(match.captures, query === "" ? form : `${query}&${form}`, undefined, undefined);
  }
  checkBody(exchange, match);
  const body = await readDecoded(exchange, served.bodyBytes);
  return transcoder.request(match.captures, query, body, field(exchange.head.fields, "content-type"));
}

/** The one request message, for a method that streams only its responses. */
export async function* oneRequest(exchange: Exchange, match: MethodMatch): AsyncGenerator<Payload> {
  const wire = await transcodeSingle(exchange, match);
  match.hold?.begin();
  yield Payload.fromProto(wire, match.route.served.input);
}

/** The request messages of a method that streams them, each as soon as its last byte is there. */
export async function* manyRequests(exchange: Exchange, match: MethodMatch): AsyncGenerator<Payload> {
  checkBody(exchange, match);
  match.hold?.begin();
  const { served } = match.route;
  const { transcoder } = match;
  const query = queryOf(exchange.head.target);
  const contentType = field(exchange.head.fields, "content-type");
  let first = true;
  for await (const body of bodies(exchange, match)) {
    const wire = first
      ? transcoder.request(match.captures, query, body, contentType)
      : transcoder.message(body);
    first = false;
    yield Payload.fromProto(wire, served.input);
  }
  if (first && (match.captures.length > 0 || query !== "")) {
    yield Payload.fromProto(transcoder.request(match.captures, query, undefined, contentType), served.input);
  }
}

function bodies(exchange: Exchange, match: MethodMatch): AsyncIterable<Uint8Array> {
  if (!exchange.hasBody) return none();
  return match.transcoder.inputIsHttpBody
    ? decodedPieces(exchange)
    : split(exchange, match.route.served.messageBytes);
}

async function* none(): AsyncGenerator<Uint8Array> {}

async function* split(exchange: Exchange, limit: number): AsyncGenerator<Uint8Array> {
  const splitter = new JsonSplitter(limit);
  for await (const chunk of decodedPieces(exchange)) yield* splitter.push(chunk);
  const last = splitter.end();
  if (last !== undefined) yield last;
}

function checkBody(exchange: Exchange, match: MethodMatch): void {
  if (!exchange.hasBody) return;
  if (match.transcoder.inputIsHttpBody) requireKnownEncoding(exchange.head);
  else requireJsonStream(exchange, match);
}

/** A stream of JSON may also call itself NDJSON. */
function requireJsonStream(exchange: Exchange, match: MethodMatch): void {
  const streams =
    match.route.served.method.kind !== "unary" && match.route.served.method.kind !== "server_streaming";
  const type = field(exchange.head.fields, "content-type");
  if (streams && type !== undefined && /^application\/(?:x-)?(?:ndjson|jsonl|json-seq)\b/i.test(type)) {
    requireKnownEncoding(exchange.head);
  } else if (!streams && isWire(type)) requireKnownEncoding(exchange.head);
  else requireJson(exchange.head);
}

function isWire(contentType: string | undefined): boolean {
  return contentType !== undefined && /^application\/(?:x-)?protobuf$/.test(mediaType(contentType));
}
