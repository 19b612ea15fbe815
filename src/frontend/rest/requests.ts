import { type BytesSink, Payload, type PayloadSource } from "#rpc";
import { decodedPieces, isEncoded, readDecoded, requireKnownEncoding } from "../content-encoding.ts";
import type { Exchange } from "../exchange.ts";
import { field } from "../fields.ts";
import { mediaType, queryOf } from "../target.ts";
import { requireJson } from "./body.ts";
import { DelimitedSplitter } from "./delimited-splitter.ts";
import { isForm, readForm } from "./form-upload.ts";
import { JsonSplitter } from "./json-splitter.ts";
import type { MethodMatch } from "./match.ts";
import { pieceBytes, uploadPieces } from "./upload-pieces.ts";

/** The one request message of an exchange, to be read and transcoded when somebody needs it. */
export function singleRequest(exchange: Exchange, match: MethodMatch): Payload {
  return Payload.awaited(new SingleRequest(exchange, match), match.route.served.input);
}

/** A plain body without a promise; all others with one. */
class SingleRequest implements PayloadSource, BytesSink {
  readonly #exchange: Exchange;
  readonly #match: MethodMatch;
  #sink: BytesSink | undefined;

  constructor(exchange: Exchange, match: MethodMatch) {
    this.#exchange = exchange;
    this.#match = match;
  }

  load(sink: BytesSink): void {
    this.#sink = sink;
    const exchange = this.#exchange;
    const match = this.#match;
    try {
      if (
        exchange.hasBody &&
        !match.formIsQuery &&
        !match.transcoder.ignoresBody &&
        !isEncoded(exchange.head)
      ) {
        checkBody(exchange, match);
        exchange.takeBody(match.route.served.bodyBytes, this);
        return;
      }
      const wire = transcodeSingle(exchange, match);
      if (wire instanceof Uint8Array) sink.succeeded(wire);
      else
        wire.then(
          (transcoded) => sink.succeeded(transcoded),
          (error: unknown) => sink.failed(error),
        );
    } catch (error) {
      sink.failed(error);
    }
  }

  /** The body has come. */
  succeeded(body: Uint8Array): void {
    const { head } = this.#exchange;
    const { transcoder, captures } = this.#match;
    const sink = this.#sink as BytesSink;
    let wire: Uint8Array;
    try {
      wire = transcoder.request(captures, queryOf(head.target), body, field(head.fields, "content-type"));
    } catch (error) {
      sink.failed(error);
      return;
    }
    sink.succeeded(wire);
  }

  failed(error: unknown): void {
    this.#sink?.failed(error);
  }
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
  const body = await bodyOf(exchange, match);
  let first = true;
  for await (const message of body.messages) {
    const wire = first
      ? transcoder.request(match.captures, body.query, message, body.contentType)
      : transcoder.message(message, body.contentType);
    first = false;
    yield Payload.fromProto(wire, served.input);
  }
  if (first && (match.captures.length > 0 || body.query !== "")) {
    const wire = transcoder.request(match.captures, body.query, undefined, body.contentType);
    yield Payload.fromProto(wire, served.input);
  }
}

/** What the messages of a stream are made of. */
interface StreamBody {
  readonly query: string;
  readonly contentType: string | undefined;
  readonly messages: AsyncIterable<Uint8Array>;
}

async function bodyOf(exchange: Exchange, match: MethodMatch): Promise<StreamBody> {
  const query = queryOf(exchange.head.target);
  const contentType = field(exchange.head.fields, "content-type");
  if (!exchange.hasBody) return { query, contentType, messages: none() };
  const chunks = decodedPieces(exchange);
  const limit = match.route.served.messageBytes;
  if (!match.transcoder.inputIsHttpBody) {
    const splitter = isWire(contentType) ? new DelimitedSplitter(limit) : new JsonSplitter(limit);
    return { query, contentType, messages: split(chunks, splitter) };
  }
  const size = Math.min(pieceBytes, limit);
  if (!isForm(contentType)) return { query, contentType, messages: uploadPieces(chunks, size) };
  const form = await readForm(contentType, chunks);
  return {
    query: query === "" || form.query === "" ? query + form.query : `${query}&${form.query}`,
    contentType: form.contentType,
    messages: uploadPieces(form.file, size),
  };
}

async function* none(): AsyncGenerator<Uint8Array> {}

async function* split(
  chunks: AsyncIterable<Uint8Array>,
  splitter: JsonSplitter | DelimitedSplitter,
): AsyncGenerator<Uint8Array> {
  for await (const chunk of chunks) yield* splitter.push(chunk);
  const last = splitter.end();
  if (last !== undefined) yield last;
}

function checkBody(exchange: Exchange, match: MethodMatch): void {
  if (!exchange.hasBody) return;
  const type = field(exchange.head.fields, "content-type");
  if (match.transcoder.inputIsHttpBody || isWire(type)) requireKnownEncoding(exchange.head);
  else if (isSequence(type) && streamsRequests(match)) requireKnownEncoding(exchange.head);
  else requireJson(exchange.head);
}

function streamsRequests({ route }: MethodMatch): boolean {
  const { kind } = route.served.method;
  return kind === "client_streaming" || kind === "bidi_streaming";
}

/** What a stream of JSON may call itself besides JSON. */
function isSequence(contentType: string | undefined): boolean {
  return matches(contentType, /^application\/(?:x-)?(?:ndjson|jsonl|json-seq)$/);
}

function isWire(contentType: string | undefined): boolean {
  return matches(contentType, /^application\/(?:x-)?protobuf$/);
}

/** Whether the media type is of a kind that plain JSON is not. */
function matches(contentType: string | undefined, kind: RegExp): boolean {
  if (contentType === undefined || contentType === "application/json") return false;
  return kind.test(mediaType(contentType));
}
