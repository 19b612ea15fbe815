import { type Call, codeName, type RpcError } from "#rpc";

/** Texts of this alone need no escapes in JSON, which nearly all are. */
const plain = /^[\x20\x21\x23-\x5b\x5d-\x7e]*$/;

function quoted(text: string): string {
  return plain.test(text) ? `"${text}"` : JSON.stringify(text);
}

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
  let line = `{"time":"${timestamp(Date.now())}","level":"info","message":"access","id":"${context.requestId}"`;
  line += `,"protocol":"${context.protocol}","http":${quoted(context.httpMethod)}`;
  line += `,"path":${quoted(context.httpPath)},"route":${quoted(context.route)},"method":${quoted(method.name)}`;
  line += `,"code":"${codeName(error?.code ?? 0)}"`;
  if (error?.reason !== undefined) line += `,"reason":"${error.reason}"`;
  if (principal !== undefined) line += `,"caller":${quoted(principal.subject)}`;
  line += `,"peer":${quoted(context.peer.address)}`;
  if (upstream !== undefined) line += `,"upstream":${quoted(upstream)}`;
  if (endpoint !== undefined) line += `,"endpoint":${quoted(endpoint)}`;
  line += `,"attempts":${context.attempts}`;
  if (messages !== undefined) line += `,"messages":${messages}`;
  line += `,"ms":${ms(performance.now() - context.startedAt)}`;
  if (upstreamMs !== undefined) line += `,"upstreamMs":${ms(upstreamMs)}`;
  if (queuedMs !== 0) line += `,"queuedMs":${ms(queuedMs)}`;
  return `${line}}\n`;
}
