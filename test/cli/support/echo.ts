import { status } from "@grpc/grpc-js";
import {
  clientStream,
  type RawServer,
  serverStream,
  startRawServer,
  unary,
} from "../../support/raw-server.ts";

export const proto = `syntax = "proto3";
package t.v1;
import "google/api/annotations.proto";
service Echo {
  rpc Say(Text) returns (Text) { option (google.api.http) = { get: "/v1/say/{text}" }; }
  rpc Count(Text) returns (stream Text);
  rpc Break(Text) returns (stream Text);
  rpc Collect(stream Text) returns (Text);
  rpc Meta(Text) returns (Text);
}
message Text { string text = 1; }
`;

/** A Text. */
function text(value: string): Buffer {
  const bytes = Buffer.from(value);
  return Buffer.concat([Buffer.from([0x0a, bytes.length]), bytes]);
}

/** A real gRPC server of that service. */
export function startEcho(): Promise<RawServer> {
  return startRawServer("t.v1.Echo", {
    Say: unary((request) => {
      if (request.length === 0) {
        throw Object.assign(new Error("no text"), { code: status.NOT_FOUND, details: "no text" });
      }
      return request;
    }),
    Count: serverStream((call) => {
      for (const each of ["a", "b"]) call.write(text(each));
      call.end();
    }),
    Break: serverStream((call) => {
      call.write(text("a"));
      call.emit("error", Object.assign(new Error("lost"), { code: status.DATA_LOSS, details: "lost" }));
    }),
    Collect: clientStream((messages) => text(String(messages.length))),
    Meta: unary((_request, call) => text(call.metadata.get("x-many").join(", "))),
  });
}

/** A configuration on free ports. */
export const config = (address: string, more = ""): string => `version: 1
listen: { https: { host: 127.0.0.1, port: 0 }, http: { mode: off } }
admin: { port: 0 }
schema: [{ proto: ./proto }]
upstreams: { echo: "grpc://${address}" }
routes:
  - { match: "*", public: true }
${more}`;
