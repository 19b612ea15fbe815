import type { AddressInfo } from "node:net";
import { createServer } from "node:tls";
import { ServerCredentials } from "@grpc/grpc-js";
import { beforeAll, expect, test } from "vitest";
import { Code } from "#rpc";
import type { UpstreamTls } from "#upstream";
import { until } from "../support/until.ts";
import { callUnary, channelTo, failure, text, unary } from "./support/calls.ts";
import { type Authority, authority, type Identity } from "./support/certificates.ts";
import { echoServer } from "./support/echo-server.ts";

let ca: Authority;
let other: Authority;
let server: Identity;
let client: Identity;

beforeAll(async () => {
  ca = await authority();
  other = await authority();
  server = await ca.issue("echo.test", "127.0.0.1");
  client = await ca.issue("gateway.test");
});

const secure = (mutual: boolean) =>
  echoServer({
    credentials: ServerCredentials.createSsl(
      ca.cert,
      [{ cert_chain: server.cert, private_key: server.key }],
      mutual,
    ),
  });

interface Case {
  readonly name: string;
  readonly mutual?: boolean;
  readonly tls: () => UpstreamTls | undefined;
  readonly connects: boolean;
}

const cases: readonly Case[] = [
  {
    name: "a server that a trusted authority vouches for, by its address",
    tls: () => ({ ca: ca.cert }),
    connects: true,
  },
  {
    name: "a server by another name that its certificate has",
    tls: () => ({ ca: ca.cert, serverName: "echo.test" }),
    connects: true,
  },
  {
    name: "a server by a name that its certificate does not have",
    tls: () => ({ ca: ca.cert, serverName: "evil.test" }),
    connects: false,
  },
  { name: "a server of another authority", tls: () => ({ ca: other.cert }), connects: false },
  { name: "a server of an authority that the system does not know", tls: () => ({}), connects: false },
  { name: "a server that expects TLS, without", tls: () => undefined, connects: false },
  {
    name: "a server that knows the gateway by its certificate",
    mutual: true,
    tls: () => ({ ca: ca.cert, cert: client.cert, key: client.key }),
    connects: true,
  },
  {
    name: "a server that wants a certificate, without one",
    mutual: true,
    tls: () => ({ ca: ca.cert }),
    connects: false,
  },
];

for (const { name, mutual = false, tls, connects } of cases) {
  test(`${connects ? "connects to" : "does not connect to"} ${name}`, async () => {
    await using listening = await secure(mutual);
    const channel = channelTo([listening.address], { tls: tls() });
    if (connects) expect(text((await callUnary(channel, unary("secret"))).response)).toBe("secret");
    else {
      await until("connecting has failed", () => channel.endpoints[0]?.state === "failed");
      const error = await failure(callUnary(channel, unary("secret")));
      expect(error.code).toBe(Code.UNAVAILABLE);
      expect(error.message).not.toMatch(/certificate|TLS|SSL/i);
      expect(listening.unaryCalls).toBe(0);
    }
    await channel.close(0);
  });
}

test("a server that agrees on another protocol by ALPN is not spoken to; h2 alone is offered to it (RFC 9113 3.2)", async () => {
  const offered: string[][] = [];
  const heard: Buffer[] = [];
  const listening = createServer(
    {
      cert: server.cert,
      key: server.key,
      ALPNCallback: ({ protocols }) => {
        offered.push(protocols);
        // Only what was offered may be chosen; this is what a server without HTTP/2 does.
        return undefined;
      },
    },
    (socket) => socket.on("data", (chunk) => heard.push(chunk)),
  );
  listening.on("connection", (socket) => socket.on("error", () => {}));
  await new Promise<void>((resolve) => listening.listen(0, "127.0.0.1", resolve));
  const { port } = listening.address() as AddressInfo;
  const without = createServer({ cert: server.cert, key: server.key }, (socket) => {
    socket.on("error", () => {});
    socket.on("data", (chunk) => heard.push(chunk));
  });
  await new Promise<void>((resolve) => without.listen(0, "127.0.0.1", resolve));
  const addresses = [port, (without.address() as AddressInfo).port].map((each) => `127.0.0.1:${each}`);
  for (const address of addresses) {
    const channel = channelTo([address], { tls: { ca: ca.cert } });
    await until("connecting has failed", () => channel.endpoints[0]?.state === "failed");
    expect((await failure(callUnary(channel, unary("secret")))).code).toBe(Code.UNAVAILABLE);
    await channel.close(0);
  }
  for (const protocols of offered) expect(protocols).toEqual(["h2"]);
  expect(offered.length).toBeGreaterThan(0);
  expect(Buffer.concat(heard).toString("latin1")).not.toContain("secret");
  listening.close();
  without.close();
});
