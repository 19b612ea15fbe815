import type { Ask, Fields, Outcome, Protocol } from "../client.ts";
import { callOverHttp, frame, frames, type Layout } from "../http-call.ts";
import { detailsFromWire, type Status } from "../status.ts";
import { fromWire, type Step, toWire } from "../step.ts";

/** The header of a request of gRPC and of gRPC-Web. */
export function grpcFields({ metadata, token, timeoutMs }: Ask): Fields {
  return {
    ...metadata,
    ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
    ...(timeoutMs === undefined ? {} : { "grpc-timeout": `${timeoutMs}m` }),
  };
}

/** The status of a call as gRPC puts it into fields. */
export function statusFromFields(fields: Fields): Status {
  const code = fields["grpc-status"];
  if (code === undefined) throw new TypeError("an answer without grpc-status");
  const message = decodeURIComponent(fields["grpc-message"] ?? "");
  const details = detailsFromWire(Buffer.from(fields["grpc-status-details-bin"] ?? "", "base64"));
  return { code: Number(code), message, details };
}

const layout: Layout = {
  head: (ask) => ({
    method: "POST",
    path: `/${ask.service}/${ask.method}`,
    fields: { ...grpcFields(ask), te: "trailers", "content-type": "application/grpc" },
  }),
  request: (message) => frame(0, toWire(message)),
  async *answer(_ask, head, body, trailers): AsyncGenerator<Step, Outcome> {
    for await (const { bytes } of frames(body)) yield fromWire(bytes);
    const only = head.fields["grpc-status"] !== undefined;
    const trailer = only ? head.fields : trailers();
    const status = statusFromFields(trailer);
    const shown = `${only ? "header" : "trailer"} \`grpc-status: ${status.code}\``;
    return { status, header: head.fields, trailer, shown };
  },
};

export const grpcProtocols: readonly Protocol[] = [
  {
    name: "Native gRPC",
    versions: ["2"],
    carries: { Unary: true, Server: true, Client: true, Bidi: true },
    lacks: () => ({}),
    unknownMethod: 12,
    open: (gate, version, ask) => callOverHttp(gate, version, layout, ask),
  },
];
