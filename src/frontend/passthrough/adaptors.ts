import type { IncomingMessage, OutgoingHttpHeaders, ServerResponse } from "node:http";
import { Socket } from "node:net";
import { type Duplex, Readable, Writable } from "node:stream";
import { type Metadata, stricterLimits } from "#rpc";
import type { Cors } from "../cors.ts";
import type { BodyWriter, Exchange } from "../exchange.ts";
import { field, fieldValues, hopByHop } from "../fields.ts";

/** What the proxy library looks at besides the stream itself. */
interface RequestParts {
  readonly method: string;
  readonly url: string;
  readonly headers: OutgoingHttpHeaders;
  readonly httpVersion: string;
  readonly aborted: boolean;
  readonly socket: object;
}

/**
 * An exchange's request in the form of Node's, as far as the proxy library uses it; so that any engine can be proxied.
 */
export function requestOf(exchange: Exchange, target: string, headers: OutgoingHttpHeaders): IncomingMessage {
  const stream = exchange.hasBody ? Readable.from(exchange.body(), { objectMode: false }) : Readable.from([]);
  const parts: RequestParts = {
    method: exchange.head.method,
    url: target,
    headers,
    httpVersion: exchange.httpVersion,
    aborted: false,
    socket: noSocket,
  };
  const onAbort = (): void => {
    stream.emit("aborted");
    stream.destroy();
  };
  exchange.signal.addEventListener("abort", onAbort, { once: true });
  stream.once("close", () => exchange.signal.removeEventListener("abort", onAbort));
  stream.on("error", () => {});
  return Object.assign(stream, parts) as Readable as IncomingMessage;
}

/** What the library would tell as `forwarded` is replaced: see `forward.ts`. */
export const noSocket: object = { encrypted: false, localAddress: "", remoteAddress: "" };

/** What an upgrade comes over as a socket, as far as the proxy library uses one: a stream of HTTP/2 has nothing to tune. */
export function upgradeSocketOf(stream: Duplex): Socket {
  if (stream instanceof Socket) return stream;
  const untuned = (): void => {};
  const parts = { setTimeout: untuned, setNoDelay: untuned, setKeepAlive: untuned };
  return Object.assign(stream, parts) as Duplex as Socket;
}

/**
 * An exchange's answer in the form of Node's, as far as the proxy library uses it.
 *
 * @param cors the policy that speaks in place of the upstream's own
 * @param head fields of the gateway's beside those of the upstream
 */
export function responseOf(
  exchange: Exchange,
  requestId: string,
  cors: Cors | undefined,
  head: Metadata | undefined,
): ServerResponse {
  return new ForwardedResponse(exchange, requestId, cors, head) as Writable as ServerResponse;
}

/** Fields of answers that are one connection's, or the gateway's to set. */
export const withheld: ReadonlySet<string> = new Set([...hopByHop, "x-request-id"]);

/** Fields that are a policy's to set, where there is one. */
const ofCors: ReadonlySet<string> = new Set([
  "access-control-allow-origin",
  "access-control-allow-credentials",
  "access-control-expose-headers",
]);

class ForwardedResponse extends Writable {
  /** 0 until the upstream has answered. */
  statusCode = 0;
  readonly #exchange: Exchange;
  readonly #fields: string[];
  readonly #hasCors: boolean;
  readonly #head: Metadata | undefined;
  #writer: BodyWriter | undefined;

  constructor(exchange: Exchange, requestId: string, cors: Cors | undefined, head: Metadata | undefined) {
    super();
    this.#head = head;
    this.#exchange = exchange;
    this.#fields = ["x-request-id", requestId, ...(cors?.fields(exchange.head) ?? [])];
    this.#hasCors = cors !== undefined;
    const onAbort = (): void => {
      this.destroy();
    };
    exchange.signal.addEventListener("abort", onAbort, { once: true });
    this.once("close", () => exchange.signal.removeEventListener("abort", onAbort));
  }

  setHeader(name: string, value: number | string | readonly string[]): void {
    const key = name.toLowerCase();
    if (withheld.has(key) || (this.#hasCors && ofCors.has(key))) return;
    for (const each of Array.isArray(value) ? value : [value]) this.#fields.push(key, String(each));
  }

  /** Marks this as an answer with a head of its own; the library then sets status and fields one by one. */
  writeHead(status: number): void {
    this.statusCode = status;
  }

  addTrailers(): void {}

  override _write(chunk: Buffer, _encoding: BufferEncoding, done: (error?: Error) => void): void {
    const writer = this.#open();
    if (writer === undefined) {
      done(new Error("the upstream switched protocols unasked"));
      return;
    }
    const full = writer.write(chunk);
    if (full === undefined) done();
    else full.then(() => done(), done);
  }

  override _final(done: (error?: Error) => void): void {
    const writer = this.#open();
    if (writer === undefined) done(new Error("the upstream switched protocols unasked"));
    else {
      writer.end();
      done();
    }
  }

  #addHead(): void {
    const head = this.#head;
    if (head === undefined) return;
    const left = Number(field(this.#fields, "x-ratelimit-remaining") ?? Number.POSITIVE_INFINITY);
    // Of the older fields those stand together that tell of the nearer limit.
    const isNearer = Number(head.get("x-ratelimit-remaining") ?? Number.POSITIVE_INFINITY) < left;
    for (const [name, value] of head) {
      if (name.startsWith("x-ratelimit-")) {
        if (isNearer) this.#replace(name, value);
      } else if (name === "ratelimit" || name === "ratelimit-policy") {
        const theirs = fieldValues(this.#fields, name).join(", ");
        this.#replace(name, theirs === "" ? value : stricterLimits(theirs, value));
      } else this.#fields.push(name, value);
    }
  }

  #replace(name: string, value: string): void {
    const fields = this.#fields;
    for (let i = fields.length - 2; i >= 0; i -= 2) if (fields[i] === name) fields.splice(i, 2);
    fields.push(name, value);
  }

  /** Undefined for what is no final status: after a 101 the library writes what is no body of ours. */
  #open(): BodyWriter | undefined {
    if (this.statusCode < 200) return undefined;
    if (this.#writer === undefined) {
      this.#addHead();
      this.#writer = this.#exchange.open(this.statusCode, this.#fields);
    }
    return this.#writer;
  }
}
