import type { AnswerOptions, EventId, StreamOptions } from "../routes.ts";

/** How a stream of responses is laid out in one HTTP body. One object serves one stream, in order. */
export interface StreamFormat {
  readonly mediaType: string;
  /** Fields that go with it. */
  readonly fields: readonly string[];
  /** Messages come as JSON, or as the bytes of the wire. */
  readonly payload: "json" | "wire";
  /** What stands before the first message. */
  start(): Uint8Array | undefined;
  /** Hands on the parts of one message. @param wire its wire form, for what is not shown of it */
  message(bytes: Uint8Array, wire: Uint8Array, push: (part: Uint8Array) => void): void;
  /** What keeps a silent stream alive, where the layout has anything that means nothing. */
  readonly heartbeat: Uint8Array | undefined;
  /** What stands after the last message of a stream that ended well. */
  end(): Uint8Array | undefined;
  /**
   * What tells in band that the stream failed; undefined where the layout has no way to say so, and the answer must be
   * torn down instead.
   *
   * @param status `google.rpc.Status` as JSON
   */
  error(status: string): Uint8Array | undefined;
  /** The last that is said in an answer that is torn down, where that cannot make it look whole. */
  torn(status: string): Uint8Array | undefined;
}

const newline = Buffer.from("\n");
const dataPrefix = Buffer.from("data: ");
const blankLine = Buffer.from("\n\n");
const comment = Buffer.from(":\n\n");

/** What most layouts have: no more than their messages. */
const plain = {
  fields: [],
  heartbeat: undefined,
  start: () => undefined,
  end: () => undefined,
  error: () => undefined,
  torn: () => undefined,
} as const;

/** Messages one to a line; a failure is a last line `{"error":Status}`. */
function ndjson(): StreamFormat {
  return {
    ...plain,
    mediaType: "application/x-ndjson",
    payload: "json",
    message: (json, _wire, push) => {
      push(json);
      push(newline);
    },
    error: (status) => Buffer.from(`{"error":${status}}\n`),
  };
}

/** Server-sent events (HTML standard, 9.2). `event: end` keeps browsers from connecting again after a good end. */
function sse({ retryMs, endEvent, eventId }: StreamOptions): StreamFormat {
  return {
    ...plain,
    mediaType: "text/event-stream",
    fields: ["cache-control", "no-cache"],
    payload: "json",
    heartbeat: comment,
    start: () => (retryMs === undefined ? undefined : Buffer.from(`retry: ${Math.round(retryMs)}\n\n`)),
    message: (json, wire, push) => {
      const id = idOf(wire, eventId);
      if (id !== undefined) push(Buffer.from(`id: ${id}\n`));
      push(dataPrefix);
      push(json);
      push(blankLine);
    },
    end: () => Buffer.from(`event: ${endEvent}\ndata: {}\n\n`),
    error: (status) => Buffer.from(`event: error\ndata: ${status}\n\n`),
  };
}

/** What would end the line, or make a browser forget the id, is no id. */
function idOf(wire: Uint8Array, eventId: EventId | undefined): string | undefined {
  const id = eventId?.(wire);
  return id === undefined || id === "" || /[\r\n\0]/.test(id) ? undefined : id;
}

const openList = Buffer.from("[");
const comma = Buffer.from(",");

/** One JSON array. It is closed only by a good end: what failed must not parse, and has `{"error":Status}` for its last. */
function jsonArray(): StreamFormat {
  let begun = false;
  return {
    ...plain,
    mediaType: "application/json",
    payload: "json",
    message: (json, _wire, push) => {
      push(begun ? comma : openList);
      push(json);
      begun = true;
    },
    end: () => Buffer.from(begun ? "]" : "[]"),
    torn: (status) => Buffer.from(`${begun ? "," : "["}{"error":${status}}`),
  };
}

/** Messages of the wire, each after its length as a varint: what the languages' `parseDelimitedFrom` reads. */
function delimited(): StreamFormat {
  return {
    ...plain,
    mediaType: "application/x-protobuf",
    payload: "wire",
    message: (wire, _same, push) => {
      push(varint(wire.length));
      push(wire);
    },
  };
}

/** Bytes as they are: a download by `google.api.HttpBody`. */
export function rawFormat(mediaType: string): StreamFormat {
  return {
    ...plain,
    mediaType,
    fields: ["x-content-type-options", "nosniff"],
    payload: "wire",
    message: (bytes, _wire, push) => push(bytes),
  };
}

/** As grpc-gateway lays streams out: lines of `{"result":...}`, or at last `{"error":Status}`. */
function results(mediaType: string): StreamFormat {
  return {
    ...plain,
    mediaType,
    payload: "json",
    message: (json, _wire, push) => {
      push(resultPrefix);
      push(json);
      push(resultSuffix);
    },
    error: (status) => Buffer.from(`{"error":${status}}\n`),
  };
}

const resultPrefix = Buffer.from('{"result":');
const resultSuffix = Buffer.from("}\n");

type Formats = Readonly<Record<string, (options: StreamOptions) => StreamFormat>>;

/** What a client may accept for a stream, in the order in which the gateway prefers them. */
const formats: Readonly<Record<AnswerOptions["streamFormat"], Formats>> = {
  ndjson: {
    "application/x-ndjson": ndjson,
    "text/event-stream": sse,
    "application/json": jsonArray,
    "application/x-protobuf": delimited,
  },
  array: {
    "application/json": jsonArray,
    "application/x-ndjson": ndjson,
    "text/event-stream": sse,
    "application/x-protobuf": delimited,
  },
  "grpc-gateway": {
    "application/json": () => results("application/json"),
    "application/x-ndjson": () => results("application/x-ndjson"),
    "text/event-stream": sse,
    "application/x-protobuf": delimited,
  },
};

/** The media types of a stream, in the order in which the gateway prefers them. */
export function streamMediaTypes(preference: AnswerOptions["streamFormat"]): readonly string[] {
  return Object.keys(formats[preference]);
}

/** The layout of a media type out of `streamMediaTypes`. */
export function streamFormat(
  preference: AnswerOptions["streamFormat"],
  mediaType: string,
  options: StreamOptions,
): StreamFormat {
  return (formats[preference][mediaType] ?? ndjson)(options);
}

function varint(value: number): Uint8Array {
  const bytes: number[] = [];
  let rest = value;
  for (; rest >= 128; rest = Math.floor(rest / 128)) bytes.push((rest % 128) | 128);
  bytes.push(rest);
  return Uint8Array.from(bytes);
}
