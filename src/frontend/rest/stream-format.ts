import type { AnswerOptions } from "../routes.ts";

/** How a stream of responses is laid out in one HTTP body. One object serves one stream, in order. */
export interface StreamFormat {
  readonly mediaType: string;
  /** Fields that go with it. */
  readonly fields: readonly string[];
  /** Messages come as JSON, or as the bytes of the wire. */
  readonly payload: "json" | "wire";
  message(bytes: Uint8Array): Uint8Array;
  /** What stands after the last message of a stream that ended well. */
  end(): Uint8Array | undefined;
  /**
   * What tells in band that the stream failed; undefined where the layout has no way to say so, and the answer must be
   * torn down instead.
   *
   * @param status `google.rpc.Status` as JSON
   */
  error(status: string): Uint8Array | undefined;
}

const newline = Buffer.from("\n");
const dataPrefix = Buffer.from("data: ");
const blankLine = Buffer.from("\n\n");

/** Messages one to a line; a failure is a last line `{"error":Status}`. */
function ndjson(): StreamFormat {
  return {
    mediaType: "application/x-ndjson",
    fields: [],
    payload: "json",
    message: (json) => join(json, newline),
    end: () => undefined,
    error: (status) => Buffer.from(`{"error":${status}}\n`),
  };
}

/** Server-sent events (HTML standard, 9.2). `event: end` keeps browsers from connecting again after a good end. */
function sse(): StreamFormat {
  return {
    mediaType: "text/event-stream",
    fields: ["cache-control", "no-cache"],
    payload: "json",
    message: (json) => join(dataPrefix, json, blankLine),
    end: () => Buffer.from("event: end\ndata: {}\n\n"),
    error: (status) => Buffer.from(`event: error\ndata: ${status}\n\n`),
  };
}

/** One JSON array. It is closed only by a good end: what failed must not parse. */
function jsonArray(): StreamFormat {
  let begun = false;
  const separator = (): Buffer => {
    const text = begun ? "," : "[";
    begun = true;
    return Buffer.from(text);
  };
  return {
    mediaType: "application/json",
    fields: [],
    payload: "json",
    message: (json) => join(separator(), json),
    end: () => Buffer.from(begun ? "]" : "[]"),
    error: () => undefined,
  };
}

/** Messages of the wire, each after its length as a varint: what the languages' `parseDelimitedFrom` reads. */
function delimited(): StreamFormat {
  return {
    mediaType: "application/x-protobuf",
    fields: [],
    payload: "wire",
    message: (wire) => join(varint(wire.length), wire),
    end: () => undefined,
    error: () => undefined,
  };
}

/** Bytes as they are: a download by `google.api.HttpBody`. */
export function rawFormat(mediaType: string): StreamFormat {
  return {
    mediaType,
    fields: ["x-content-type-options", "nosniff"],
    payload: "wire",
    message: (bytes) => bytes,
    end: () => undefined,
    error: () => undefined,
  };
}

/** As grpc-gateway lays streams out: lines of `{"result":...}`, or at last `{"error":Status}`. */
function results(mediaType: string): StreamFormat {
  return {
    mediaType,
    fields: [],
    payload: "json",
    message: (json) => join(resultPrefix, json, resultSuffix),
    end: () => undefined,
    error: (status) => Buffer.from(`{"error":${status}}\n`),
  };
}

const resultPrefix = Buffer.from('{"result":');
const resultSuffix = Buffer.from("}\n");

type Formats = Readonly<Record<string, () => StreamFormat>>;

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
export function streamFormat(preference: AnswerOptions["streamFormat"], mediaType: string): StreamFormat {
  return (formats[preference][mediaType] ?? ndjson)();
}

function join(...parts: readonly Uint8Array[]): Uint8Array {
  return Buffer.concat(parts);
}

function varint(value: number): Uint8Array {
  const bytes: number[] = [];
  let rest = value;
  for (; rest >= 128; rest = Math.floor(rest / 128)) bytes.push((rest % 128) | 128);
  bytes.push(rest);
  return Uint8Array.from(bytes);
}
