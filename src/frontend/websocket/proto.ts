import type { Incoming, Subprotocol } from "./subprotocol.ts";

/** `dragoman.proto`: a binary frame is one message on the wire, an empty text frame the end of the requests. */
export const protoSubprotocol: Subprotocol = {
  name: "dragoman.proto",
  form: "proto",
  overheadBytes: 0,
  read(data: Buffer, isBinary: boolean): Incoming {
    if (isBinary) return { kind: "message", bytes: data };
    if (data.length === 0) return { kind: "end" };
    return { kind: "violation", code: 1003, reason: "messages are protobuf in binary frames" };
  },
  message: (payload) => ({ data: payload.proto(), binary: true }),
};
