import { createServer, type IncomingMessage, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { WebSocket } from "ws";
import { type TestGateway, testGateway } from "../../support/gateway.ts";
import { type RawServer, serverStream, startRawServer, unary } from "../../support/raw-server.ts";
import { type KeyServer, startKeyServer } from "./support/key-server.ts";
import { audience, issuer, makeKey, type SigningKey } from "./support/tokens.ts";

const proto = `syntax = "proto3"; package t.v1; import "google/api/annotations.proto";
service T {
  rpc Get(R) returns (R) { option (google.api.http) = { post: "/v1/get" body: "*" }; }
  rpc Watch(R) returns (stream R) { option (google.api.http) = { post: "/v1/watch" body: "*" }; }
}
message R {}`;

let key: SigningKey;
let keyServer: KeyServer;
let world: TestGateway;
let server: RawServer;
let web: Server;
/** Calls that upstreams have got. */
let reached = 0;

beforeAll(async () => {
  key = await makeKey("k");
  keyServer = await startKeyServer([key]);
  const answer = (): Buffer => {
    reached++;
    return Buffer.alloc(0);
  };
  server = await startRawServer("t.v1.T", {
    Get: unary(answer),
    Watch: serverStream((call) => {
      call.write(answer());
      call.end();
    }),
  });
  web = createServer((_request, response) => response.end(answer()));
  await new Promise<void>((resolve) => web.listen(0, "127.0.0.1", resolve));
  world = await testGateway(
    { "t.proto": proto },
    {
      upstreams: {
        t: `grpc://${server.address}`,
        web: `http://127.0.0.1:${(web.address() as AddressInfo).port}`,
      },
      auth: { issuers: { main: { issuer, jwks: keyServer.url, audiences: [audience] } } },
      routes: [
        { match: "*", to: "t", auth: { scopes: ["read"] } },
        { match: "* /web/**", to: "web", auth: { scopes: ["read"] } },
      ],
    },
  );
});
afterAll(async () => {
  await world[Symbol.asyncDispose]();
  await keyServer[Symbol.asyncDispose]();
  await server[Symbol.asyncDispose]();
  await new Promise((resolve) => {
    web.close(resolve);
    web.closeAllConnections();
  });
});

const token = async (scope: string): Promise<string> => `Bearer ${await key.sign({ scope })}`;
const callers: readonly (readonly [string, () => Promise<string> | undefined, number, number, string])[] = [
  ["who shows nothing", () => undefined, 16, 401, "Bearer"],
  [
    "with a token that is none",
    async () => "Bearer a.b.c",
    16,
    401,
    'Bearer error="invalid_token", error_description="the token is malformed"',
  ],
  ["without the scope", () => token("write"), 7, 403, 'Bearer error="insufficient_scope", scope="read"'],
];

const frame = Buffer.alloc(5);
const json = Buffer.from("{}");
/** With the status of every answer, where the protocol has but one. */
const protocols: readonly (readonly [string, string, string, Buffer, number | undefined])[] = [
  ["REST", "/v1/get", "application/json", json, undefined],
  ["REST, a stream", "/v1/watch", "application/json", json, undefined],
  ["what is passed through", "/web/x", "application/json", json, undefined],
  ["Connect", "/t.v1.T/Get", "application/proto", Buffer.alloc(0), undefined],
  ["Connect, a stream", "/t.v1.T/Watch", "application/connect+proto", frame, 200],
  ["gRPC-Web", "/t.v1.T/Get", "application/grpc-web+proto", frame, 200],
  ["gRPC-Web, a stream in text", "/t.v1.T/Watch", "application/grpc-web-text", Buffer.from("AAAAAAA="), 200],
  ["gRPC", "/t.v1.T/Get", "application/grpc", frame, 200],
  ["gRPC, a stream", "/t.v1.T/Watch", "application/grpc+proto", frame, 200],
];

/** In a field or in the body, by number or by name, as the protocol has it. */
function codeOf(headers: Readonly<Record<string, unknown>>, text: string): number {
  if (headers["grpc-status"] !== undefined) return Number(headers["grpc-status"]);
  const [, code = ""] = /"code":("\w+"|\d+)/.exec(text) ?? [];
  const names: Readonly<Record<string, number>> = { '"unauthenticated"': 16, '"permission_denied"': 7 };
  return names[code] ?? Number(code);
}

describe.each(protocols)("over %s", (_name, path, contentType, body, always) => {
  test.each(callers)("a caller %s hears code and challenge", async (_who, shown, code, status, challenge) => {
    const before = reached;
    using client = world.connect();
    const authorization = await shown();
    const headers = {
      "content-type": contentType,
      ...(authorization === undefined ? {} : { authorization }),
    };
    const answer = await client.request({ method: "POST", path, headers, body });
    expect({
      status: answer.status,
      code: codeOf(answer.headers, answer.text),
      challenge: answer.headers["www-authenticate"],
    }).toEqual({ status: always ?? status, code, challenge });
    expect(answer.trailers).not.toHaveProperty("www-authenticate");
    expect(reached).toBe(before);
  });

  test("a caller who may is let through, and is asked for nothing", async () => {
    const before = reached;
    using client = world.connect();
    const headers = { "content-type": contentType, authorization: await token("read") };
    const answer = await client.request({ method: "POST", path, headers, body });
    expect(answer.status).toBe(200);
    expect(answer.headers).not.toHaveProperty("www-authenticate");
    expect(reached).toBe(before + 1);
  });
});

describe.each(["/t.v1.T/Watch", "/web/socket"])("a WebSocket at %s", (path) => {
  test.each(callers)("is not opened for a caller %s", async (_who, shown, _code, status, challenge) => {
    const authorization = await shown();
    const opened = new WebSocket(`ws://127.0.0.1:${world.gateway.httpPort}${path}`, {
      headers: authorization === undefined ? {} : { authorization },
    });
    const answer = await new Promise<IncomingMessage>((resolve, reject) => {
      opened.on("unexpected-response", (_request, response) => resolve(response));
      opened.on("open", () => reject(new Error("it was opened")));
      opened.on("error", reject);
    });
    answer.resume();
    expect([answer.statusCode, answer.headers["www-authenticate"]]).toEqual([status, challenge]);
  });
});
