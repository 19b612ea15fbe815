import type { Fields, Outcome, Protocol } from "../client.ts";
import { callOverHttp, frame, frames, type Layout } from "../http-call.ts";
import { fromWire, type Step, toWire } from "../step.ts";
import { grpcFields, statusFromFields } from "./grpc.ts";

function layoutOf(text: boolean): Layout {
  const type = `application/grpc-web${text ? "-text" : ""}`;
  return {
    head: (ask) => ({
      method: "POST",
      path: `/${ask.service}/${ask.method}`,
      fields: { ...grpcFields(ask), "x-grpc-web": "1", accept: type, "content-type": `${type}+proto` },
    }),
    request(message) {
      const bytes = frame(0, toWire(message));
      return text ? Buffer.from(bytes.toString("base64")) : bytes;
    },
    async *answer(_ask, head, body): AsyncGenerator<Step, Outcome> {
      const header = head.fields;
      for await (const { flags, bytes } of frames(text ? fromBase64(body) : body)) {
        if (flags === 0) yield fromWire(bytes);
        else {
          const trailer = trailerFields(bytes);
          const status = statusFromFields(trailer);
          return { status, header, trailer, shown: `last frame \`grpc-status: ${status.code}\`` };
        }
      }
      const status = statusFromFields(header);
      return { status, header, trailer: header, shown: `header \`grpc-status: ${status.code}\`` };
    },
  };
}

export function trailerFields(bytes: Buffer): Fields {
  const fields: Record<string, string> = {};
  for (const line of bytes.toString("latin1").split("\r\n")) {
    const at = line.indexOf(":");
    if (at > 0) fields[line.slice(0, at)] = line.slice(at + 1).trim();
  }
  return fields;
}

/** Texts in base64 one after the other, each padded by itself. */
async function* fromBase64(body: AsyncGenerator<Buffer>): AsyncGenerator<Buffer> {
  let rest = "";
  for await (const chunk of body) {
    rest += chunk.toString("latin1");
    const groups = rest.length - (rest.length % 4);
    const ready = rest.slice(0, groups).match(/.{4}/g) ?? [];
    rest = rest.slice(groups);
    yield Buffer.concat(ready.map((group) => Buffer.from(group, "base64")));
  }
  if (rest !== "") throw new TypeError("the answer ends within a group of base64");
}

function grpcWeb(name: string, text: boolean): Protocol {
  const layout = layoutOf(text);
  return {
    name,
    versions: ["1.1", "2"],
    carries: { Unary: true, Server: true, Client: true, Bidi: true },
    lacks: (_kind, version) =>
      version === "1.1" ? { duplex: "http/1.1 clients read the answer once the request has ended" } : {},
    unknownMethod: 12,
    open: (gate, version, ask) => callOverHttp(gate, version, layout, ask),
  };
}

export const grpcWebProtocols: readonly Protocol[] = [
  grpcWeb("gRPC-Web, binary", false),
  grpcWeb("gRPC-Web, text", true),
];
