import http from "node:http";
import type { AddressInfo } from "node:net";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type TestGateway, testGateway } from "../../support/gateway.ts";
import type { Http2Client } from "../../support/http2-client.ts";

const proto = `syntax = "proto3";
package t.v1;
import "google/api/annotations.proto";
service Shop { rpc Get(Text) returns (Text) { option (google.api.http) = { get: "/v1/{text}" }; } }
message Text { string text = 1; }
`;

/** What the service says with a refusal: by HTTP it may say much that is not the caller's to hear. */
let said: http.OutgoingHttpHeaders = {};
let body: string | Buffer = "";
let service: http.Server;
let at: TestGateway;
let client: Http2Client;

beforeAll(async () => {
  service = http.createServer((_request, response) => response.writeHead(403, said).end(body));
  await new Promise<void>((resolve) => service.listen(0, "127.0.0.1", resolve));
  const url = `http://127.0.0.1:${(service.address() as AddressInfo).port}/check`;
  at = await testGateway(
    { "t.proto": proto },
    {
      upstreams: { shop: "grpc://127.0.0.1:9" },
      auth: { external: { pdp: { http: url, timeout: "10s" } } },
      routes: [{ match: "*", auth: { external: "pdp" } }],
    },
  );
  client = at.connect();
});

afterAll(async () => {
  client[Symbol.dispose]();
  await at[Symbol.asyncDispose]();
  service.closeAllConnections();
  service.close();
});

function denied(headers: http.OutgoingHttpHeaders, text: string | Buffer = "") {
  said = headers;
  body = text;
  return client.request({ path: "/v1/a", headers: { "accept-encoding": "identity" } });
}

describe("of the header of a refusal by HTTP", () => {
  test.each(["location", "www-authenticate", "set-cookie"])("callers get %s", async (name) => {
    const { status, headers } = await denied({ [name]: "theirs" });
    expect([status, headers[name]]).toEqual([403, name === "set-cookie" ? ["theirs"] : "theirs"]);
  });

  // Of one connection, of a message that is not the one sent on, of the gateway's own, and of whoever else's.
  test.each([
    ["connection", "x-hop"],
    ["keep-alive", "timeout=1234"],
    ["proxy-connection", "forged"],
    ["proxy-authenticate", "forged"],
    ["trailer", "forged"],
    ["upgrade", "forged"],
    ["te", "forged"],
    ["host", "forged"],
    ["forwarded", "for=forged"],
    ["x-forwarded-for", "forged"],
    ["x-request-id", "forged"],
    ["x-real-ip", "forged"],
    ["x-dragoman-reason", "forged"],
    ["x-dragoman-subject", "forged"],
    ["grpc-status", "0"],
    ["grpc-message", "forged"],
    ["access-control-allow-origin", "*"],
    ["access-control-allow-credentials", "true"],
    ["strict-transport-security", "max-age=0"],
    ["cache-control", "max-age=1234"],
    ["server", "forged"],
    ["x-other", "forged"],
  ])("they do not get %s", async (name, value) => {
    const { status, headers } = await denied({ [name]: value });
    expect([status, headers["x-dragoman-reason"]]).toEqual([403, "authorization_denied"]);
    expect(headers[name]).not.toBe(value);
  });

  test("they get no value that is too long, nor one that is not of ASCII, nor more than there may be", async () => {
    expect((await denied({ location: "a".repeat(8192) })).headers.location).toHaveLength(8192);
    for (const location of ["a".repeat(8193), "caf\u00e9"])
      expect((await denied({ location })).headers).not.toHaveProperty("location");
    const cookies = Array.from({ length: 100 }, (_, i) => `a${i}=b`);
    expect((await denied({ "set-cookie": cookies })).headers["set-cookie"]).toEqual(cookies.slice(0, 64));
  });

  test("they get what describes the body as it is sent on", async () => {
    const { headers, text } = await denied(
      { "content-type": "text/html", "transfer-encoding": "chunked", "x-other": "a" },
      "<p>no</p>",
    );
    expect(headers).toMatchObject({ "content-type": "text/html", "content-length": "9" });
    expect(headers).not.toHaveProperty("transfer-encoding");
    expect(text).toBe("<p>no</p>");
  });

  test("a body that was cut has the length that is left", async () => {
    const { headers, bytes } = await denied({ "content-length": 20_000 }, "x".repeat(20_000));
    expect([headers["content-type"], headers["content-length"], bytes.length]).toEqual([
      "text/plain",
      "8192",
      8192,
    ]);
  });
});
