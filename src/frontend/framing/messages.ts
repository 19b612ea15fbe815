import { Code, Payload, RpcError } from "#rpc";
import type { ServedMethod } from "../routes.ts";
import type { Unpack } from "./compression.ts";
import { FrameReader } from "./frame.ts";

/** A body without a byte. */
export async function* none(): AsyncGenerator<Uint8Array> {}

/** The messages of a stream, each as soon as its last byte is there. @throws RpcError */
export async function* readMessages(
  chunks: AsyncIterable<Uint8Array>,
  served: ServedMethod,
  unpack: Unpack,
): AsyncGenerator<Payload> {
  const reader = new FrameReader(served.messageBytes);
  for await (const chunk of chunks) {
    for (const frame of reader.push(chunk)) yield Payload.fromProto(await unpack(frame), served.input);
  }
  reader.end();
}

/** The one request of a unary call. @param whole reads its body @throws RpcError */
export async function readSole(
  whole: () => Promise<Uint8Array>,
  served: ServedMethod,
  unpack: Unpack,
): Promise<Uint8Array> {
  const reader = new FrameReader(served.messageBytes);
  const [frame, more] = reader.push(await whole());
  if (more !== undefined) throw cardinality("more than one request");
  reader.end();
  if (frame === undefined) throw cardinality("no request");
  return await unpack(frame);
}

function cardinality(message: string): RpcError {
  return new RpcError(Code.UNIMPLEMENTED, `${message} for a unary method`, { reason: "malformed_frame" });
}
