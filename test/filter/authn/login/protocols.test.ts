import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { WebSocket } from "ws";
import { bidiStream, type RawServer, startRawServer, unary } from "../../../support/raw-server.ts";
import { until } from "../../../support/until.ts";
import type { Browser } from "../support/browser.ts";
import { begunBefore, type LoginWorld, loginWorld, origin, sessionCookie } from "../support/login-world.ts";

let server: RawServer;
let world: LoginWorld;
let browser: Browser;
/** What the upstream heard of its last caller. */
let heard: Readonly<Record<string, unknown>>;

const minute = 60_000;

beforeAll(async () => {
  server = await startRawServer("t.T", {
    M: unary((request, call) => {
      heard = call.metadata.getMap();
      return request;
    }),
    Chat: bidiStream((call) => {
      heard = call.metadata.getMap();
      call.on("data", (message: Buffer) => call.write(message));
      call.on("end", () => call.end());
    }),
  });
  world = await loginWorld({
    grpc: `grpc://${server.address}`,
    routes: [{ match: "GET /socket", to: "web", auth: { any: ["shop"] } }],
  });
  // The upstream is known to serve.
  browser = world.browser();
  await world.logIn(browser);
  await until("the upstream serves", async () => {
    const headers = { "sec-fetch-site": "same-origin" };
    return (await browser.send(`${origin}/m`, { method: "POST", headers, body: "{}" })).status === 200;
  });
});
afterAll(async () => {
  await world[Symbol.asyncDispose]();
  await server[Symbol.asyncDispose]();
});
beforeEach(() => {
  heard = {};
  browser = world.browser();
});

const cookieOf = (own: Browser): string => [...own.jar(origin)].map((pair) => pair.join("=")).join("; ");
const ownHeaders = () => ({ cookie: cookieOf(browser), "sec-fetch-site": "same-origin", host: "shop.test" });

function socket(path: string, subprotocols: readonly string[] = []): WebSocket {
  return new WebSocket(`ws://127.0.0.1:${world.at.gateway.httpPort}${path}`, [...subprotocols], {
    headers: { ...ownHeaders(), origin, "x-forwarded-proto": "https" },
  });
}

describe("a session is who calls, and its cookie ends at the gateway", () => {
  const protocols: readonly (readonly [string, string, string, Buffer])[] = [
    ["REST", "/m", "application/json", Buffer.from('{"text":"hi"}')],
    ["Connect", "/t.T/M", "application/proto", Buffer.from("\n\x02hi")],
    ["gRPC-Web", "/t.T/M", "application/grpc-web+proto", Buffer.from("\0\0\0\0\x04\n\x02hi", "latin1")],
    ["gRPC", "/t.T/M", "application/grpc", Buffer.from("\0\0\0\0\x04\n\x02hi", "latin1")],
  ];
  const ask = async (path: string, contentType: string, body: Buffer) => {
    using client = world.at.connect();
    const { cookie } = ownHeaders();
    const headers = { cookie, "sec-fetch-site": "same-origin", "content-type": contentType };
    return await client.request({ method: "POST", path, headers, body });
  };

  test.each(protocols)("over %s", async (_name, path, contentType, body) => {
    await world.logIn(browser);
    const { status } = await ask(path, contentType, body);
    expect(status).toBe(200);
    expect(heard).toMatchObject({ "x-dragoman-subject": "ann", "x-email": "ann@shop.test" });
    expect(heard).not.toHaveProperty("cookie");
  });

  test.each(protocols)(
    "and is refreshed over %s, which the head of the answer tells",
    async (_name, path, contentType, body) => {
      await begunBefore(world.provider, browser, 11 * minute);
      const { status, headers } = await ask(path, contentType, body);
      expect(status).toBe(200);
      expect(headers["set-cookie"]).toEqual([expect.stringMatching(/^__Host-dragoman-shop=1\./)]);
      expect(headers["cache-control"]).toContain("private");
    },
  );
});

test("a WebSocket is its caller's who has logged in, and a refresh is told in the answer that accepts it", async () => {
  await begunBefore(world.provider, browser, 11 * minute);
  const before = browser.jar(origin).get(sessionCookie);
  const ws = socket("/chat", ["dragoman.json"]);
  ws.on("upgrade", ({ headers }) => browser.keep(origin, headers["set-cookie"] ?? []));
  const message = await new Promise<string>((resolve, reject) => {
    ws.on("open", () => ws.send('{"text":"hello"}'));
    ws.on("message", (data) => resolve(String(data)));
    ws.on("error", reject);
  });
  ws.close();
  expect(JSON.parse(message)).toEqual({ text: "hello" });
  expect(heard).toMatchObject({ "x-dragoman-subject": "ann" });
  expect(heard).not.toHaveProperty("cookie");
  expect(browser.jar(origin).get(sessionCookie)).not.toBe(before);
});

test("so it is where a WebSocket is passed through, beside the cookies of the upstream", async () => {
  await begunBefore(world.provider, browser, 11 * minute);
  browser.jar(origin).set("theme", "dark");
  const ws = socket("/socket");
  const answered = await new Promise<readonly string[]>((resolve, reject) => {
    ws.on("upgrade", ({ headers }) => resolve(headers["set-cookie"] ?? []));
    ws.on("error", reject);
  });
  ws.on("error", () => {});
  ws.terminate();
  expect(answered).toEqual(["own=1", expect.stringMatching(/^__Host-dragoman-shop=1\./)]);
});

test("a page whose fields come after the upgrade cannot be given cookies, and sees none in its messages", async () => {
  await begunBefore(world.provider, browser, 11 * minute);
  const asked = world.provider.asked.length;
  const ws = socket("/t.T/Chat", ["grpc-websockets"]);
  const frames: Buffer[] = [];
  ws.on("message", (data: Buffer) => frames.push(data));
  const upgraded = new Promise<unknown>((resolve) =>
    ws.on("upgrade", ({ headers }) => resolve(headers["set-cookie"])),
  );
  await new Promise((resolve) => ws.on("open", resolve));
  ws.send(Buffer.from("content-type: application/grpc-web+proto\r\n"));
  ws.send(Buffer.from("\0\0\0\0\0\x04\n\x02hi", "latin1"));
  ws.send(Buffer.from([1]));
  await new Promise((resolve) => ws.on("close", resolve));
  expect(await upgraded).toBeUndefined();
  const text = Buffer.concat(frames).toString("latin1");
  expect(text).toContain("hi");
  expect(text).not.toContain("dragoman-shop");
  expect(world.provider.asked.length).toBe(asked);
});

test("a refusal tells of a refresh, too", async () => {
  await begunBefore(world.provider, browser, 11 * minute);
  const page = await browser.visit(`${origin}/admin`);
  expect(page).toMatchObject({ status: 403, reason: "scope_missing" });
  expect(page.headers["set-cookie"]).toEqual([expect.stringMatching(/^__Host-dragoman-shop=1\./)]);
});

test("a session that has ended is none: people log in again, programs hear of it", async () => {
  await begunBefore(world.provider, browser, 61 * minute);
  expect(await browser.visit(`${origin}/mine`)).toMatchObject({ status: 302, reason: "credentials_missing" });
  const fetched = await browser.send(`${origin}/mine`);
  expect(fetched).toMatchObject({ status: 401, reason: "credentials_expired" });
  expect(fetched.headers["www-authenticate"]).toBe(`Login uri="${origin}/.dragoman/login"`);
  expect((await browser.send(`${origin}/maybe`)).status).toBe(200);
});

test("a stream ends when the session does that let it in", async () => {
  world.provider.behave({ tokens: { refresh_token: undefined } });
  await begunBefore(world.provider, browser, 60 * minute - 5000);
  world.provider.behave({});
  // A page of the older gRPC-Web: its handshake cannot renew the session.
  const ws = socket("/t.T/Chat", ["grpc-websockets"]);
  const frames: Buffer[] = [];
  ws.on("message", (data: Buffer) => frames.push(data));
  await new Promise((resolve) => ws.on("open", resolve));
  ws.send(Buffer.from("content-type: application/grpc-web+proto\r\n"));
  ws.send(Buffer.from("\0\0\0\0\0\x04\n\x02hi", "latin1"));
  await new Promise((resolve) => ws.on("close", resolve));
  expect(Buffer.concat(frames).toString("latin1")).toMatch(/hi.*grpc-status: ?16/s);
  expect(world.at.access().at(-1)).toMatchObject({ reason: "credentials_expired" });
});

test("many requests of one browser refresh its session once", async () => {
  await begunBefore(world.provider, browser, 11 * minute);
  const asked = world.provider.asked.length;
  const cookie = cookieOf(browser);
  const pages = await Promise.all(
    Array.from({ length: 20 }, () => world.browser().send(`${origin}/mine`, { headers: { cookie } })),
  );
  expect(new Set(pages.map(({ status }) => status))).toEqual(new Set([200]));
  const cookies = new Set(pages.map(({ headers }) => headers["set-cookie"]?.[0]?.split(";")[0]));
  expect(cookies.size).toBe(1);
  expect(world.provider.asked.length).toBe(asked + 1);
});
