import type { Ask, Fields, Outcome, Protocol } from "../client.ts";
import { callOverHttp, frame, frames, type Layout, whole } from "../http-call.ts";
import { connectCodes, type Status } from "../status.ts";
import { fromJson, fromWire, type Step, stepType, toJson, toWire } from "../step.ts";

type Form = "json" | "proto";

const ok: Status = { code: 0, message: "", details: [] };

const encode = (message: Step, form: Form): Buffer =>
  form === "json" ? Buffer.from(toJson(message)) : toWire(message);
const decode = (bytes: Buffer, form: Form): Step =>
  form === "json" ? fromJson(JSON.parse(bytes.toString())) : fromWire(bytes);

function connectFields({ metadata, token, timeoutMs }: Ask): Fields {
  return {
    ...metadata,
    "connect-protocol-version": "1",
    ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
    ...(timeoutMs === undefined ? {} : { "connect-timeout-ms": String(timeoutMs) }),
  };
}

interface ConnectError {
  readonly code: string;
  readonly message?: string;
  readonly details?: readonly { readonly type: string; readonly value: string }[];
}

function statusOf({ code, message = "", details = [] }: ConnectError): Status {
  const number = connectCodes.indexOf(code) + 1;
  if (number === 0) throw new TypeError(`no code of Connect: ${code}`);
  return {
    code: number,
    message,
    details: details
      .filter(({ type }) => type === stepType)
      .map(({ value }) => fromWire(Buffer.from(value, "base64"))),
  };
}

/** Trailers of unary calls are headers with a prefix. */
function trailersIn(fields: Fields): Fields {
  const prefix = "trailer-";
  return Object.fromEntries(
    Object.entries(fields)
      .filter(([name]) => name.startsWith(prefix))
      .map(([name, value]) => [name.slice(prefix.length), value]),
  );
}

function unaryAnswer(form: Form): Layout["answer"] {
  return async function* answer(_ask, head, body): AsyncGenerator<Step, Outcome> {
    const bytes = await whole(body);
    const trailer = trailersIn(head.fields);
    if (head.status === 200) {
      yield decode(bytes, form);
      return { status: ok, header: head.fields, trailer, shown: "HTTP 200" };
    }
    const error: ConnectError = JSON.parse(bytes.toString());
    const shown = `HTTP ${head.status}, \`${error.code}\``;
    return { status: statusOf(error), header: head.fields, trailer, shown };
  };
}

function unaryByPost(form: Form): Layout {
  return {
    head: (ask) => ({
      method: "POST",
      path: `/${ask.service}/${ask.method}`,
      fields: { ...connectFields(ask), "content-type": `application/${form}` },
    }),
    request: (message) => encode(message, form),
    answer: unaryAnswer(form),
  };
}

function unaryByGet(form: Form): Layout {
  return {
    head(ask, message) {
      if (message === undefined) throw new Error("a GET is sent with its message");
      const value = encode(message, form);
      const query = new URLSearchParams({
        connect: "v1",
        encoding: form,
        message: form === "json" ? value.toString() : value.toString("base64url"),
        ...(form === "json" ? {} : { base64: "1" }),
      });
      return { method: "GET", path: `/${ask.service}/${ask.method}?${query}`, fields: connectFields(ask) };
    },
    request: () => undefined,
    answer: unaryAnswer(form),
  };
}

function streamed(form: Form): Layout {
  return {
    head: (ask) => ({
      method: "POST",
      path: `/${ask.service}/${ask.method}`,
      fields: { ...connectFields(ask), "content-type": `application/connect+${form}` },
    }),
    request: (message) => frame(0, encode(message, form)),
    async *answer(_ask, head, body): AsyncGenerator<Step, Outcome> {
      const header = head.fields;
      if (head.status !== 200) {
        // What is no call of the protocol is answered by HTTP alone, and by the codes that the protocol has for that.
        await whole(body);
        const code = head.status === 404 ? 12 : 2;
        return { status: { ...ok, code }, header, trailer: {}, shown: `HTTP ${head.status}` };
      }
      for await (const { flags, bytes } of frames(body)) {
        if ((flags & 2) === 0) {
          yield decode(bytes, form);
          continue;
        }
        const end: { error?: ConnectError; metadata?: Record<string, string[]> } = JSON.parse(
          bytes.toString(),
        );
        const trailer = Object.fromEntries(
          Object.entries(end.metadata ?? {}).map(([name, values]) => [name, values.join(", ")]),
        );
        const status = end.error === undefined ? ok : statusOf(end.error);
        const shown = end.error === undefined ? "end frame `{}`" : `end frame \`${end.error.code}\``;
        return { status, header, trailer, shown };
      }
      throw new TypeError("a stream without its end frame");
    },
  };
}

const streams = "a stream: see Connect streams";
const isUnary = "not a stream: see Connect unary";
const noBody = "a GET has no body";

function unary(name: string, layout: Layout, stream: string): Protocol {
  return {
    name,
    versions: ["1.1", "2"],
    carries: { Unary: true, Server: stream, Client: stream, Bidi: stream },
    lacks: () => ({}),
    unknownMethod: 12,
    open: (gate, version, ask) => callOverHttp(gate, version, layout, ask),
  };
}

function stream(name: string, form: Form): Protocol {
  const layout = streamed(form);
  return {
    name,
    versions: ["1.1", "2"],
    carries: { Unary: isUnary, Server: true, Client: true, Bidi: true },
    lacks: (_kind, version) =>
      version === "1.1" ? { duplex: "http/1.1 clients read the answer once the request has ended" } : {},
    unknownMethod: 12,
    open: (gate, version, ask) => callOverHttp(gate, version, layout, ask),
  };
}

export const connectProtocols: readonly Protocol[] = [
  unary("Connect unary: POST, JSON", unaryByPost("json"), streams),
  unary("Connect unary: POST, binary", unaryByPost("proto"), streams),
  unary("Connect unary: GET, JSON", unaryByGet("json"), noBody),
  unary("Connect unary: GET, binary", unaryByGet("proto"), noBody),
  stream("Connect streams: JSON", "json"),
  stream("Connect streams: binary", "proto"),
];
