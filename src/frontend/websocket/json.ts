import { type Incoming, jsonOf, type Subprotocol } from "./subprotocol.ts";

/** `dragoman.json`, and what is spoken without a subprotocol: a text frame is one message in ProtoJSON. */
export const jsonSubprotocol: Subprotocol = {
  name: "dragoman.json",
  form: "json",
  overheadBytes: 0,
  read(data: Buffer, isBinary: boolean): Incoming {
    if (isBinary) return { kind: "violation", code: 1003, reason: "messages are JSON in text frames" };
    return data.length === 0 ? { kind: "end" } : { kind: "message", bytes: data };
  },
  message: (payload) => ({ data: jsonOf(payload), binary: false }),
};
