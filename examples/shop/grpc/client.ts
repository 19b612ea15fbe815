import type { DescMessage, MessageShape } from "@bufbuild/protobuf";
import { type CallOptions, type Client, Metadata } from "@grpc/grpc-js";
import { methodDefinition, type TypedMethod } from "./method.ts";

/** Calls a unary method. Rejects with the ServiceError of grpc-js. */
export function callUnary<I extends DescMessage, O extends DescMessage>(
  client: Client,
  method: TypedMethod<"unary", I, O>,
  request: MessageShape<I>,
  options: CallOptions = {},
  metadata = new Metadata(),
): Promise<MessageShape<O>> {
  const { path, requestSerialize, responseDeserialize } = methodDefinition(method);
  return new Promise((resolve, reject) => {
    client.makeUnaryRequest(
      path,
      requestSerialize,
      responseDeserialize,
      request,
      metadata,
      options,
      (error, response) => {
        if (error !== null) reject(error);
        else if (response === undefined) reject(new Error("there was no response"));
        else resolve(response);
      },
    );
  });
}
