import { type Call, codeName, type RpcError, turnDate } from "#rpc";

/** Texts of this alone need no escapes in JSON, which nearly all are. */
const plain = /^[\x20\x21\x23-\x5b\x5d-\x7e]*$/;

function quoted(text: string): string {
  return plain.test(text) ? `"${text}"` : JSON.stringify(text);
}

/** A part of a line that says the same of most calls: made of so many texts, once as long as they stay the same. */
class Part {
  readonly #names: readonly string[];
  #texts: readonly (string | undefined)[] = [];
  /** In one piece, which several that were put together are not. */
  #part = "";

  constructor(names: readonly string[]) {
    this.#names = names;
  }

  /** @param texts by the names; what is undefined is left out */
  of(...texts: readonly (string | undefined)[]): string {
    const known = this.#texts;
    let same = known.length === texts.length;
    for (let i = 0; same && i < texts.length; i++) same = known[i] === texts[i];
    if (same) return this.#part;
    this.#texts = texts;
    this.#part = texts
      .map((text, i) => (text === undefined ? "" : `,"${this.#names[i]}":${quoted(text)}`))
      .join("");
    return this.#part;
  }
}

const asked = new Part(["protocol", "http", "path", "route", "method"]);
const ends = new Part(["caller", "peer", "upstream", "endpoint"]);

let second = Number.NaN;
let date = "";

/** RFC 3339 with milliseconds, in UTC. */
function timestamp(now: number): string {
  const millisecond = now % 1000;
  if (now - millisecond !== second) {
    second = now - millisecond;
    date = new Date(second).toISOString().slice(0, 20);
  }
  return `${date}${millisecond < 10 ? "00" : millisecond < 100 ? "0" : ""}${millisecond}Z`;
}

/** Milliseconds with at most three digits after the point. */
function ms(value: number): number {
  return Math.round(value * 1000) / 1000;
}

/**
 * What is logged of one call, as a line of JSON. Put together by hand: it is written for each call.
 *
 * @param messages responses that a stream has had; undefined for what is no stream
 */
export function accessLine(call: Call, error: RpcError | undefined, messages: number | undefined): string {
  const { context, method } = call;
  const { principal, upstream, endpoint, upstreamMs, queuedMs } = context;
  let line = `{"time":"${timestamp(turnDate())}","level":"info","message":"access","id":"${context.requestId}"`;
  line += asked.of(context.protocol, context.httpMethod, context.httpPath, context.route, method.name);
  line += `,"code":"${codeName(error?.code ?? 0)}"`;
  if (error?.reason !== undefined) line += `,"reason":"${error.reason}"`;
  line += ends.of(principal?.subject, context.peer.address, upstream, endpoint);
  line += `,"attempts":${context.attempts}`;
  if (messages !== undefined) line += `,"messages":${messages}`;
  line += `,"ms":${ms(performance.now() - context.startedAt)}`;
  if (upstreamMs !== undefined) line += `,"upstreamMs":${ms(upstreamMs)}`;
  if (queuedMs !== 0) line += `,"queuedMs":${ms(queuedMs)}`;
  return `${line}}\n`;
}
