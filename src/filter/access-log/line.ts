import { type Call, type Code, type Context, codeName, type RpcError, turnDate } from "#rpc";
import { LineRoom } from "./line-room.ts";

const begin = '{"time":"';
const beforeId = 'Z","level":"info","message":"access","id":"';
/** RFC 3339, in UTC, up to the milliseconds, and with them. */
const secondSize = "2026-01-01T00:00:00.".length;
const timeSize = secondSize + 3;
const idAt = begin.length + timeSize + beforeId.length;

/** Octets that the names and numbers at the end of a line take at most. */
const numbersSize = 256;

/**
 * Writes the lines of one access log, each over the last one: what both say stands there already. By hand, since it is done
 * for each call.
 */
export class LineWriter {
  readonly #room = new LineRoom();
  readonly #asked = new Asked();
  readonly #ended = new Ended();
  #now = Number.NaN;
  #second = Number.NaN;
  #millisecond = 0;
  #idEnd = -1;
  #askedEnd = 0;
  #endedEnd = 0;

  /**
   * A line, in UTF-8, to be read before the next one is asked for.
   *
   * @param messages responses that a stream has had; undefined for what is no stream
   */
  line(call: Call, error: RpcError | undefined, messages: number | undefined): Uint8Array {
    const room = this.#room;
    this.#writeTime(turnDate());
    this.#writeTexts(call, error);
    let at = this.#endedEnd;
    const { startedAt, endedAt = performance.now(), upstreamMs, queuedMs, attempts } = call.context;
    room.reserve(at + numbersSize);
    at = room.integer(room.text(at, ',"attempts":'), attempts);
    if (messages !== undefined) at = room.integer(room.text(at, ',"messages":'), messages);
    at = room.milliseconds(room.text(at, ',"ms":'), endedAt - startedAt);
    if (upstreamMs !== undefined) at = room.milliseconds(room.text(at, ',"upstreamMs":'), upstreamMs);
    if (queuedMs !== 0) at = room.milliseconds(room.text(at, ',"queuedMs":'), queuedMs);
    return room.upTo(room.text(at, "}\n"));
  }

  #writeTime(now: number): void {
    if (now === this.#now) return;
    this.#now = now;
    const millisecond = now % 1000;
    const second = now - millisecond;
    if (second !== this.#second) {
      this.#second = second;
      this.#millisecond = 0;
      const time = new Date(second).toISOString().slice(0, timeSize);
      this.#room.text(0, begin + time + beforeId);
    }
    if (millisecond === this.#millisecond) return;
    this.#millisecond = millisecond;
    this.#room.threeDigits(begin.length + secondSize, millisecond);
  }

  #writeTexts(call: Call, error: RpcError | undefined): void {
    const room = this.#room;
    const { context } = call;
    room.reserve(idAt + context.requestId.length);
    const idEnd = room.text(idAt, context.requestId);
    let stands = idEnd === this.#idEnd;
    this.#idEnd = idEnd;
    if (!this.#asked.isOf(context) || !stands) {
      stands = false;
      this.#askedEnd = room.octetsOf(idEnd, this.#asked.read(context));
    }
    if (!this.#ended.isOf(call, error) || !stands)
      this.#endedEnd = room.octetsOf(this.#askedEnd, this.#ended.read(call, error));
  }
}

/** What was asked for, by the last call. */
class Asked {
  #protocol = "";
  #method = "";
  #path = "";
  #octets: Uint8Array = new Uint8Array(0);

  isOf({ protocol, httpMethod, httpPath }: Context): boolean {
    return this.#path === httpPath && this.#protocol === protocol && this.#method === httpMethod;
  }

  read(context: Context): Uint8Array {
    if (this.isOf(context) && this.#octets.length > 0) return this.#octets;
    const { protocol, httpMethod, httpPath } = context;
    this.#protocol = protocol;
    this.#method = httpMethod;
    this.#path = httpPath;
    const http = member("http", httpMethod) + member("path", httpPath);
    this.#octets = Buffer.from(`"${member("protocol", protocol)}${http}`);
    return this.#octets;
  }
}

/** Whose call it was, and what came of it: of the last one. */
class Ended {
  #texts: readonly (string | undefined)[] = [];
  #code: Code | -1 = -1;
  #octets: Uint8Array = new Uint8Array(0);

  isOf({ context, method }: Call, error: RpcError | undefined): boolean {
    const texts = this.#texts;
    return (
      this.#code === (error?.code ?? 0) &&
      texts[0] === context.route &&
      texts[1] === method.name &&
      texts[2] === error?.reason &&
      texts[3] === context.principal?.subject &&
      texts[4] === context.peer.address &&
      texts[5] === context.upstream &&
      texts[6] === context.endpoint
    );
  }

  read(call: Call, error: RpcError | undefined): Uint8Array {
    if (this.isOf(call, error)) return this.#octets;
    const { context, method } = call;
    const { route, principal, peer, upstream, endpoint } = context;
    this.#code = error?.code ?? 0;
    this.#texts = [route, method.name, error?.reason, principal?.subject, peer.address, upstream, endpoint];
    this.#octets = Buffer.from(
      member("route", route) +
        member("method", method.name) +
        member("code", codeName(this.#code)) +
        member("reason", error?.reason) +
        member("caller", principal?.subject) +
        member("peer", peer.address) +
        member("upstream", upstream) +
        member("endpoint", endpoint),
    );
    return this.#octets;
  }
}

/** Texts of this alone need no escapes in JSON, which nearly all are. */
const plain = /^[\x20\x21\x23-\x5b\x5d-\x7e]*$/;

/** A member of an object, behind others; nothing where there is no value. */
function member(name: string, value: string | undefined): string {
  if (value === undefined) return "";
  return `,"${name}":${plain.test(value) ? `"${value}"` : JSON.stringify(value)}`;
}
