import { Code, RpcError } from "#rpc";
import type { Fields } from "../fields.ts";
import { frameMessage, prefixBytes } from "../framing/frame.ts";
import { appendGrpcMetadata, errorFields, okFields } from "../framing/status-fields.ts";
import { isRefusal, tooManyFields, withoutUnderscores } from "../head.ts";
import type { FieldLimits } from "../listener.ts";
import type { Incoming, Subprotocol } from "./subprotocol.ts";

const dataSignal = 0;
const finishSignal = 1;
/** Set in the first byte of a frame that carries fields instead of a message ("PROTOCOL-WEB.md"). */
const fieldsFlag = 0x80;

/**
 * `grpc-websockets`, the transport of improbable-eng/grpc-web: the first frame brings the fields of the request; each
 * later one begins with a byte, 0 before a piece of gRPC's frames and 1, alone, at their end. Answers are gRPC-Web: a frame
 * of fields, messages, a frame of trailers.
 */
export const grpcWebSockets: Subprotocol = {
  name: "grpc-websockets",
  form: "frames",
  overheadBytes: prefixBytes + 1,
  read(data: Buffer, isBinary: boolean): Incoming {
    if (!isBinary) return { kind: "violation", code: 1003, reason: "gRPC-Web takes binary frames" };
    if (data[0] === finishSignal && data.length === 1) return { kind: "end" };
    if (data[0] === dataSignal && data.length > 1) return { kind: "message", bytes: data.subarray(1) };
    return { kind: "violation", code: 1002, reason: "a frame begins with 0 before data or is a single 1" };
  },
  header(metadata) {
    const fields = ["content-type", "application/grpc-web+proto"];
    appendGrpcMetadata(fields, metadata);
    return { data: fieldsFrame(fields), binary: true };
  },
  message: (payload) => ({ data: frameMessage(payload.proto()), binary: true }),
  end: (error, trailer) => ({
    data: fieldsFrame(error === undefined ? okFields(trailer) : errorFields(error)),
    binary: true,
  }),
  statusInClose: false,
};

function fieldsFrame(fields: readonly string[]): Uint8Array {
  let lines = "";
  for (let i = 0; i < fields.length; i += 2) lines += `${fields[i]}: ${fields[i + 1]}\r\n`;
  const frame = frameMessage(Buffer.from(lines, "latin1"));
  frame[0] = fieldsFlag;
  return frame;
}

const nameGrammar = /^[!#$%&'*+.^_`|~\w-]+$/;

/**
 * The fields in the first frame, which are taken as those of a head are.
 *
 * @throws RpcError INVALID_ARGUMENT for what is no list of fields, and for too many
 */
export function readFields(frame: Uint8Array, limits: FieldLimits): Fields {
  const fields: string[] = [];
  for (const line of Buffer.from(frame).toString("latin1").split("\r\n")) {
    if (line === "") continue;
    const colon = line.indexOf(":");
    const name = line.slice(0, Math.max(0, colon)).toLowerCase();
    if (!nameGrammar.test(name)) {
      throw new RpcError(Code.INVALID_ARGUMENT, "the first frame must be the fields of the request", {
        reason: "malformed_header",
      });
    }
    fields.push(name, line.slice(colon + 1).trim());
  }
  const taken = tooManyFields(fields, limits) ?? withoutUnderscores(fields, limits);
  if (isRefusal(taken)) throw new RpcError(taken.code, taken.message, { reason: taken.reason });
  return taken;
}
