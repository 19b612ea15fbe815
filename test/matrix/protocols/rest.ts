import type { Ask, Fields, Kind, Lacks, Outcome, Protocol } from "../client.ts";
import { callOverHttp, type Layout, whole } from "../http-call.ts";
import type { Status } from "../status.ts";
import { fromJson, fromWire, readVarint, type Step, stepType, toJson } from "../step.ts";
import type { HttpRequestHead, HttpResponseHead } from "../wire.ts";

const json = "application/json";

/** How a stream of responses is laid out in one body. */
interface StreamForm {
  readonly accept: string;
  /** Yields what a client reads; returns the status when that is told in band, or undefined after a good end. */
  read(body: AsyncGenerator<Buffer>): AsyncGenerator<Step, Status | undefined>;
  /** For the document. */
  readonly end: string;
  readonly lateError: string;
  /** What there is of an error in an answer that is torn down. */
  readonly torn?: string;
}

const oneAnswer: Readonly<Record<Kind, boolean>> = { Unary: true, Server: false, Client: true, Bidi: false };

/** The header of a request by plain HTTP. */
export function restFields({ metadata, token, timeoutMs }: Ask): Fields {
  return {
    ...metadata,
    // RFC 9110 6.5.1: trailers are for those who say that they take them.
    te: "trailers",
    ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
    ...(timeoutMs === undefined ? {} : { "x-request-timeout": `${timeoutMs}ms` }),
  };
}

function postHead(accept: string, contentType: string): Layout["head"] {
  return (ask) => ({
    method: "POST",
    path: `/${ask.service}/${ask.method}`,
    fields: { ...restFields(ask), accept, "content-type": contentType },
  });
}

/** `google.rpc.Status` as JSON. */
export function statusFromJson(json: unknown): Status {
  const {
    code = 0,
    message = "",
    details = [],
  } = json as {
    code?: number;
    message?: string;
    details?: { "@type": string }[];
  };
  return {
    code,
    message,
    details: details.filter((each) => each["@type"] === `type.googleapis.com/${stepType}`).map(fromJson),
  };
}

function parsed(bytes: Uint8Array | string): unknown {
  return JSON.parse(bytes.toString());
}

/** @param form of a stream of responses */
function answerBy(form: StreamForm | undefined, sole: (bytes: Buffer) => Step): Layout["answer"] {
  return async function* answer(ask, head, body, trailers): AsyncGenerator<Step, Outcome> {
    const header = head.fields;
    if (head.status >= 400) {
      const status = statusFromJson(parsed(await whole(body)));
      return { status, header, trailer: header, shown: `HTTP ${head.status}, \`Status\`` };
    }
    const ok: Status = { code: 0, message: "", details: [] };
    if (oneAnswer[ask.kind] || form === undefined) {
      yield sole(await whole(body));
      return { status: ok, header, trailer: header, shown: `HTTP ${head.status}` };
    }
    if (header["content-type"] !== form.accept) throw new TypeError(`unexpected ${header["content-type"]}`);
    const status = yield* form.read(body);
    const shown = status === undefined ? form.end : form.lateError;
    return { status: status ?? ok, header, trailer: trailers(), shown: `HTTP ${head.status}, ${shown}` };
  };
}

async function* lines(body: AsyncGenerator<Buffer>, separator: string): AsyncGenerator<string> {
  let rest = "";
  for await (const chunk of body) {
    const parts = (rest + chunk.toString("latin1")).split(separator);
    rest = parts.pop() ?? "";
    for (const part of parts) yield Buffer.from(part, "latin1").toString();
  }
  if (rest !== "") throw new TypeError("the answer ends within a line");
}

const ndjson: StreamForm = {
  accept: "application/x-ndjson",
  end: "the body ends",
  lateError: 'last line `{"error":Status}`',
  async *read(body) {
    for await (const line of lines(body, "\n")) {
      const json = parsed(line) as { readonly error?: unknown };
      if (json.error !== undefined) return statusFromJson(json.error);
      yield fromJson(json);
    }
    return undefined;
  },
};

const sse: StreamForm = {
  accept: "text/event-stream",
  end: "`event: end`",
  lateError: "`event: error` with `Status`",
  async *read(body) {
    let end: { readonly failed: Status | undefined } | undefined;
    for await (const block of lines(body, "\n\n")) {
      const fields = new Map(
        block
          .split("\n")
          .filter((line) => !line.startsWith(":"))
          .map((line) => [line.slice(0, line.indexOf(":")), line.slice(line.indexOf(":") + 2)]),
      );
      const data = fields.get("data");
      if (data === undefined) continue;
      if (end !== undefined) throw new TypeError("an event after the last");
      const event = fields.get("event");
      if (event === undefined) yield fromJson(parsed(data));
      else end = { failed: event === "error" ? statusFromJson(parsed(data)) : undefined };
    }
    if (end === undefined) throw new TypeError("the events end without event: end or event: error");
    return end.failed;
  },
};

const array: StreamForm = {
  accept: "application/json",
  end: "the array is closed",
  lateError: "",
  torn: 'the answer is torn down after a last element `{"error":Status}`, which a client may lose with it',
  async *read(body) {
    let text = "";
    let depth = 0;
    let error: unknown;
    for await (const chunk of body) {
      for (const char of chunk.toString("latin1")) {
        if (depth > 1 || char === "{") text += char;
        if (char === "[" || char === "{") depth++;
        if (char === "]" || char === "}") depth--;
        if (depth !== 1 || text === "") continue;
        const json = parsed(Buffer.from(text, "latin1")) as { readonly error?: unknown };
        text = "";
        if (error !== undefined) throw new TypeError("an element after the error");
        if (json.error === undefined) yield fromJson(json);
        else if (statusFromJson(json.error).code === 0) throw new TypeError("an error that is none");
        else error = json.error;
      }
    }
    if (depth !== 0) throw new TypeError("the array of an answer that ended well is not closed");
    return undefined;
  },
};

const varints: StreamForm = {
  accept: "application/x-protobuf",
  end: "the body ends",
  lateError: "",
  async *read(body) {
    let rest: Buffer = Buffer.alloc(0);
    for await (const chunk of body) {
      rest = Buffer.concat([rest, chunk]);
      for (;;) {
        const size = readVarint(rest, 0);
        if (size === undefined || rest.length < size.end + size.value) break;
        yield fromWire(rest.subarray(size.end, size.end + size.value));
        rest = rest.subarray(size.end + size.value);
      }
    }
    if (rest.length > 0) throw new TypeError("the answer ends within a message");
    return undefined;
  },
};

const asLines: Pick<Layout, "request"> = {
  request: (message, _index, kind) =>
    Buffer.from(kind === "Client" || kind === "Bidi" ? `${toJson(message)}\n` : toJson(message)),
};

const asArray: Pick<Layout, "request" | "afterRequests"> = {
  request: (message, index, kind) =>
    Buffer.from(
      kind === "Client" || kind === "Bidi" ? (index === 0 ? "[" : ",") + toJson(message) : toJson(message),
    ),
  afterRequests: (count, kind) =>
    kind === "Client" || kind === "Bidi" ? Buffer.from(count === 0 ? "[]" : "]") : undefined,
};

const noDuplex = {
  duplex: "http/1.1 clients read the answer once the request has ended",
};

function lacksOf(form: StreamForm | undefined): Protocol["lacks"] {
  return (kind, version): Lacks => ({
    ...(version === "1.1" ? noDuplex : {}),
    ...(form === undefined || oneAnswer[kind] || form.lateError !== ""
      ? {}
      : { lateStatus: form.torn ?? "nothing in the body can tell an error: the answer is torn down" }),
  });
}

function rest(
  name: string,
  layout: Omit<Layout, "answer">,
  carries: Protocol["carries"],
  form?: StreamForm,
  sole: (bytes: Buffer) => Step = (bytes) => fromJson(parsed(bytes)),
): Protocol {
  const whole: Layout = { ...layout, answer: answerBy(form, sole) };
  return {
    name,
    versions: ["1.1", "2"],
    carries,
    lacks: lacksOf(form),
    unknownMethod: 5,
    open: (gate, version, ask) => callOverHttp(gate, version, whole, ask),
  };
}

/** What is one message, or one answer, is JSON and no line of it. */
function ndjsonHead(ask: Ask): HttpRequestHead {
  const accept = oneAnswer[ask.kind] ? json : ndjson.accept;
  return postHead(accept, ask.kind === "Server" ? json : ndjson.accept)(ask, undefined);
}

const isOne = "one answer is JSON, whichever layout streams have";
const manyAnswers = "see the layouts of streams";

/** Where `google.api.http` has bound a method, with the message in the query; POST for what is too long for that. */
function getHead(accept: string): Layout["head"] {
  return (ask, message): HttpRequestHead => {
    if (message === undefined || tooLong(message) || ask.method !== ask.kind) {
      return postHead(accept, "application/json")(ask, message);
    }
    const query = new URLSearchParams({ index: String(message.index), text: message.text });
    const service = ask.service.slice(ask.service.lastIndexOf(".") + 1).toLowerCase();
    const path = `/v1/${service}/${ask.method.toLowerCase()}?${query}`;
    return { method: "GET", path, fields: { ...restFields(ask), accept } };
  };
}

const tooLong = (message: Step): boolean => message.padding.length > 0;

function inQuery(): Pick<Layout, "request"> {
  return { request: (message) => (tooLong(message) ? Buffer.from(toJson(message)) : undefined) };
}

export const restProtocols: readonly Protocol[] = [
  rest(
    "REST: POST with JSON",
    { head: postHead(json, json), ...asLines },
    { Unary: true, Server: manyAnswers, Client: manyAnswers, Bidi: manyAnswers },
  ),
  rest(
    "REST: GET with a query",
    { head: getHead(json), ...inQuery() },
    {
      Unary: true,
      Server: "see server-sent events",
      Client: "a GET has no body",
      Bidi: "a GET has no body",
    },
  ),
  rest(
    "REST: NDJSON",
    { head: ndjsonHead, ...asLines },
    { Unary: isOne, Server: true, Client: true, Bidi: true },
    ndjson,
  ),
  rest(
    "REST: server-sent events",
    { head: getHead(sse.accept), ...inQuery() },
    { Unary: isOne, Server: true, Client: isOne, Bidi: "an EventSource sends no body" },
    sse,
  ),
  rest(
    "REST: JSON array",
    { head: postHead(json, json), ...asArray },
    { Unary: isOne, Server: true, Client: true, Bidi: true },
    array,
  ),
  rest(
    "REST: binary answers",
    { head: postHead(varints.accept, json), ...asLines },
    { Unary: true, Server: true, Client: true, Bidi: true },
    varints,
    fromWire,
  ),
];

/** An error that is a plain HTTP answer. */
export async function plainError(head: HttpResponseHead, body: AsyncGenerator<Buffer>): Promise<Outcome> {
  const status = statusFromJson(parsed(await whole(body)));
  return { status, header: head.fields, trailer: head.fields, shown: `HTTP ${head.status}, \`Status\`` };
}
