import type { Socket } from "node:net";
import { expect, test } from "vitest";
import { WebSocket } from "ws";
import { audience, issuer, makeKey } from "../../filter/authn/support/tokens.ts";
import { ClientTunnel, extendedConnectEnabled } from "../../support/extended-connect.ts";
import { testGateway } from "../../support/gateway.ts";
import { bidiStream, startRawServer } from "../../support/raw-server.ts";
import { tempFolder } from "../../support/temp-folder.ts";
import { until } from "../../support/until.ts";

const proto = `syntax = "proto3";
package t.v1;
import "google/api/annotations.proto";
service T {
  rpc Chat(stream Text) returns (stream Text) { option (google.api.http) = { post: "/v1/chat" body: "*" }; }
}
message Text { string text = 1; }
`;

/** Long enough for all to be open, short enough to be waited for. */
const lifetimeS = 3;

type Version = "1.1" | "2";

/** How a page or another client shows its token, and by what it knows its call. */
interface Showing {
  readonly title: string;
  readonly version: Version;
  readonly protocols: (token: string) => string[];
  readonly headers: (token: string) => Readonly<Record<string, string>>;
  readonly first: (token: string) => readonly (string | Buffer)[];
  readonly closes: { readonly code: number; readonly reason: string };
  /** What the last message tells, where the subprotocol has a place for it. */
  readonly last?: RegExp;
}

const expired = { code: 4016, reason: "the credentials have expired" };

const showings: readonly Showing[] = (["1.1", "2"] as const).flatMap((version): Showing[] => [
  {
    title: `HTTP/${version}, a token by subprotocol`,
    version,
    protocols: (token) => ["dragoman.json", "dragoman.bearer", token],
    headers: () => ({}),
    first: () => ["{}"],
    closes: expired,
  },
  {
    title: `HTTP/${version}, a token by header, with an envelope`,
    version,
    protocols: () => ["dragoman.envelope"],
    headers: (token) => ({ authorization: `Bearer ${token}` }),
    first: () => ['{"message":{}}'],
    closes: expired,
    last: /^\{"status":\{"code":16,.*"the credentials have expired"/,
  },
  {
    title: `HTTP/${version}, a token by cookie`,
    version,
    protocols: () => ["dragoman.proto"],
    headers: (token) => ({ cookie: `session=${token}` }),
    first: () => [Buffer.alloc(0)],
    closes: expired,
  },
  {
    title: `HTTP/${version}, a token in the first frame of grpc-websockets`,
    version,
    protocols: () => ["grpc-websockets"],
    headers: () => ({}),
    first: (token) => [Buffer.from(`authorization: Bearer ${token}\r\n`), Buffer.alloc(6)],
    closes: { code: 1000, reason: "" },
    last: /grpc-status: 16\r\ngrpc-message: the credentials have expired/,
  },
]);

interface Ending {
  readonly code: number;
  readonly reason: string;
  /** Messages that came. */
  readonly heard: readonly string[];
}

function ending(socket: WebSocket): Promise<Ending> {
  const heard: string[] = [];
  socket.on("message", (data) => heard.push(String(data)));
  return new Promise((resolve, reject) => {
    socket.once("close", (code, reason) => resolve({ code, reason: String(reason), heard }));
    socket.once("error", reject);
  });
}

test("a call ends when its token expires: the close frame says so, and the upstream is cancelled", async () => {
  let running = 0;
  let cancelled = 0;
  await using server = await startRawServer("t.v1.T", {
    Chat: bidiStream((call) => {
      running++;
      call.on("cancelled", () => cancelled++);
      call.on("data", (message: Buffer) => call.write(message));
    }),
  });
  const key = await makeKey("k");
  await using files = await tempFolder({ "jwks.json": JSON.stringify({ keys: [key.jwk] }) });
  await using at = await testGateway(
    { "t.proto": proto },
    {
      listen: { websocket: { tokenCookie: "session" } },
      upstreams: { t: `grpc://${server.address}` },
      auth: {
        issuers: { main: { issuer, jwks: `${files.dir}/jwks.json`, audiences: [audience], skew: "0s" } },
      },
      routes: [{ match: "*", to: "t", auth: {} }],
    },
  );
  using client = at.connect();
  await extendedConnectEnabled(client.session);
  const exp = Math.floor(Date.now() / 1000) + lifetimeS;
  const short = await key.sign({ exp });
  const long = await key.sign();
  const open = ({ version, protocols, headers, first }: Showing, token: string): WebSocket => {
    const scheme = version === "2" ? "ws" : "wss";
    const socket = new WebSocket(`${scheme}${at.url.slice(5)}/t.v1.T/Chat`, protocols(token), {
      ca: at.ca,
      headers: headers(token),
      ...(version === "2"
        ? { createConnection: () => new ClientTunnel(client.session) as ClientTunnel & Socket }
        : {}),
    });
    socket.on("open", () => {
      for (const message of first(token)) socket.send(message);
    });
    return socket;
  };

  // Over the same connection of HTTP/2, with a token that lasts.
  const stays = showings.filter(({ closes }) => closes === expired).map((each) => open(each, long));
  const going = showings.map((each) => ({ ...each, ending: ending(open(each, short)) }));
  await until("all run", () => running === stays.length + going.length);
  for (const { title, ending: end, closes, last } of going) {
    const { code, reason, heard } = await end;
    expect({ title, code, reason }).toEqual({ title, ...closes });
    expect(Date.now(), title).toBeGreaterThanOrEqual(exp * 1000);
    if (last !== undefined) expect(heard.at(-1), title).toMatch(last);
  }
  await until("the upstream is cancelled", () => cancelled >= going.length);
  expect(cancelled).toBe(going.length);
  expect(stays.map(({ readyState }) => readyState)).toEqual(stays.map(() => WebSocket.OPEN));
  const left = stays.map(ending);
  for (const socket of stays) socket.close(1000);
  expect((await Promise.all(left)).map(({ code }) => code)).toEqual(stays.map(() => 1000));
});
