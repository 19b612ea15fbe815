import { Payload } from "#rpc";
import { fromCodecError } from "#transcode";
import type { ServedMethod } from "../routes.ts";

/** How a client writes messages. */
export type MessageForm = "proto" | "json";

/** A request message on the wire. @throws RpcError INVALID_ARGUMENT for JSON that is not of its type */
export function requestWire(bytes: Uint8Array, form: MessageForm, { input }: ServedMethod): Uint8Array {
  if (form === "proto") return bytes;
  try {
    // Nothing at all stands for an empty message, as its binary form does.
    return bytes.length === 0 ? bytes : input.fromJson(bytes);
  } catch (error) {
    throw fromCodecError(error);
  }
}

/** A response in the client's form. @throws RpcError INTERNAL for a message that is not what its schema says */
export function responseBytes(response: Payload, form: MessageForm): Uint8Array {
  if (form === "proto") return response.proto();
  try {
    return response.json();
  } catch (error) {
    throw fromCodecError(error);
  }
}

/** A request that has been read. @throws RpcError */
export function requestPayload(bytes: Uint8Array, form: MessageForm, served: ServedMethod): Payload {
  return Payload.fromProto(requestWire(bytes, form, served), served.input);
}
