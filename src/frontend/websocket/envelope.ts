import type { Metadata, RpcError } from "#rpc";
import { appendGrpcMetadata } from "../framing/status-fields.ts";
import { encoder, type Incoming, jsonOf, type Subprotocol } from "./subprotocol.ts";

const message = /^\s*\{\s*"message"\s*:(.*)\}\s*$/s;
const end = /^\s*\{\s*"end"\s*:\s*true\s*\}\s*$/;
const before = encoder.encode('{"message":');
const after = encoder.encode("}");

/**
 * `dragoman.envelope`: JSON that says what it is, so that metadata and the whole status have a place.
 *
 * @param statusJson writes `google.rpc.Status` as JSON
 */
export function envelopeSubprotocol(statusJson: (error: RpcError) => string): Subprotocol {
  return {
    name: "dragoman.envelope",
    form: "json",
    overheadBytes: 256,
    read,
    header: (metadata) => ({ data: encoder.encode(`{"header":${metadataJson(metadata)}}`), binary: false }),
    message: (payload) => ({ data: Buffer.concat([before, jsonOf(payload), after]), binary: false }),
    end: (error, trailer) => ({
      data: encoder.encode(
        `{"status":${error === undefined ? okStatus : statusJson(error)},"trailer":${metadataJson(error?.metadata ?? trailer)}}`,
      ),
      binary: false,
    }),
  };
}

const okStatus = '{"code":0,"message":"","details":[]}';

function read(data: Buffer, isBinary: boolean): Incoming {
  if (isBinary) return { kind: "violation", code: 1003, reason: "envelopes are JSON in text frames" };
  const text = data.toString();
  if (end.test(text)) return { kind: "end" };
  // What stands between is for the reader of the message to judge, which takes one JSON value and nothing after it.
  const content = message.exec(text)?.[1];
  return content === undefined
    ? { kind: "violation", code: 1007, reason: 'an envelope is {"message":...} or {"end":true}' }
    : { kind: "message", bytes: encoder.encode(content) };
}

/** Names to values; the values of a name that occurs more than once are joined by commas, as browsers show fields. */
function metadataJson(metadata: Metadata): string {
  const fields: string[] = [];
  appendGrpcMetadata(fields, metadata);
  const values = new Map<string, string>();
  for (let i = 0; i < fields.length; i += 2) {
    const name = fields[i] as string;
    const before = values.get(name);
    values.set(name, before === undefined ? (fields[i + 1] as string) : `${before}, ${fields[i + 1]}`);
  }
  return JSON.stringify(Object.fromEntries(values));
}
