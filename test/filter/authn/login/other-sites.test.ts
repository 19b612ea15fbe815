import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { stringify } from "yaml";
import { hashPassword } from "#filter/authn";
import { type TempFolder, tempFolder } from "../../../support/temp-folder.ts";
import type { Browser } from "../support/browser.ts";
import { type LoginWorld, loginWorld, origin } from "../support/login-world.ts";

type Header = Readonly<Record<string, string>>;

let files: TempFolder;
let world: LoginWorld;
let browser: Browser;

const friend = "https://app.friend.test";

beforeAll(async () => {
  files = await tempFolder({
    "users.yaml": stringify({ users: { ann: { password: await hashPassword("secret word") } } }),
  });
  world = await loginWorld({
    auth: { basic: { desk: { file: `${files.dir}/users.yaml` } } },
    defaults: { cors: { origins: [friend], credentials: true } },
    routes: [{ match: "* /desk", to: "web", auth: { any: ["desk"] } }],
  });
  browser = world.browser();
  await world.logIn(browser);
});
afterAll(async () => {
  await world[Symbol.asyncDispose]();
  await files[Symbol.asyncDispose]();
});

const from: Readonly<Record<string, Header>> = {
  "the same origin": { "sec-fetch-site": "same-origin", origin },
  "the person": { "sec-fetch-site": "none" },
  "the same origin, in a browser that tells it by origin alone": { origin },
  "another origin that may": { "sec-fetch-site": "cross-site", origin: friend },
  "another site": { "sec-fetch-site": "cross-site", origin: "https://evil.test" },
  "another site, in a browser that tells it by origin alone": { origin: "https://evil.test" },
  "another host of the same domain": { "sec-fetch-site": "same-site", origin: "https://blog.shop.test" },
  "the same host by plain HTTP": { origin: "http://shop.test" },
  "another port": { origin: `${origin}:8443` },
  "nowhere, after a redirect": { "sec-fetch-site": "cross-site", origin: "null" },
  "another site, which hides its origin": { "sec-fetch-site": "cross-site" },
  "another site, with the right origin besides": { "sec-fetch-site": "cross-site", origin },
  "two places at once": { origin: `${origin}, https://evil.test` },
  "nowhere that is told": {},
};
const own = [
  "the same origin",
  "the person",
  "the same origin, in a browser that tells it by origin alone",
  "another origin that may",
];

describe.each(Object.entries(from))("from %s", (where, headers) => {
  test.each(["POST", "PUT", "PATCH", "DELETE"])("%s with a session", async (method) => {
    const page = await browser.send(`${origin}/mine`, { method, headers, body: "" });
    if (own.includes(where)) expect(page.status).toBe(200);
    else expect(page).toMatchObject({ status: 403, reason: "cross_site" });
  });

  test.each(["GET", "HEAD"])("%s with a session, which changes nothing", async (method) => {
    expect((await browser.send(`${origin}/mine`, { method, headers })).status).toBe(200);
  });

  test("a call with a session", async () => {
    const page = await browser.send(`${origin}/m`, { method: "POST", headers, body: "{}" });
    // It leads nowhere, which is no refusal.
    expect(page.reason).toBe(own.includes(where) ? "no_healthy_endpoint" : "cross_site");
  });

  test("a WebSocket with a session", async () => {
    const page = await browser.send(`${origin}/chat`, {
      headers: {
        ...headers,
        connection: "upgrade",
        upgrade: "websocket",
        "sec-websocket-version": "13",
        "sec-websocket-key": "dGhlIHNhbXBsZSBub25jZQ==",
      },
    });
    expect(page.reason).toMatch(
      own.includes(where) ? /no_healthy_endpoint/ : /^(?:cross_site|origin_denied)$/,
    );
  });

  test("logout", async () => {
    const other = world.browser();
    await world.logIn(other);
    const page = await other.send(`${origin}/.dragoman/logout`, { method: "POST", headers });
    const left = [...other.jar(origin).keys()].length;
    if (own.includes(where)) expect([page.status, left]).toEqual([303, 0]);
    else expect([page.status, page.reason, left]).toEqual([403, "cross_site", 1]);
  });

  test("POST with a password, which browsers send by themselves too", async () => {
    const authorization = `Basic ${Buffer.from("ann:secret word").toString("base64")}`;
    const page = await world
      .browser()
      .send(`${origin}/desk`, { method: "POST", headers: { ...headers, authorization }, body: "" });
    if (own.includes(where) || where === "nowhere that is told") expect(page.status).toBe(200);
    else expect(page).toMatchObject({ status: 403, reason: "cross_site" });
  });
});

test("without a session there is nothing to misuse: optional routes take anybody's POST", async () => {
  const headers = { "sec-fetch-site": "cross-site", origin: "https://evil.test" };
  expect((await world.browser().send(`${origin}/maybe`, { method: "POST", headers })).status).toBe(200);
  expect((await browser.send(`${origin}/maybe`, { method: "POST", headers })).status).toBe(403);
});

test("gRPC-Web and Connect calls of other sites are refused in their own forms", async () => {
  const [cookie] = [...browser.jar(origin)].map(([name, value]) => `${name}=${value}`);
  using client = world.at.connect();
  const headers = { cookie, "sec-fetch-site": "cross-site", origin: "https://evil.test" };
  const post = (contentType: string, body: Buffer) =>
    client.request({
      method: "POST",
      path: "/t.T/M",
      headers: { ...headers, "content-type": contentType },
      body,
    });
  const grpcWeb = await post("application/grpc-web+proto", Buffer.alloc(5));
  expect(grpcWeb.headers["grpc-status"] ?? /grpc-status: ?(\d+)/.exec(grpcWeb.text)?.[1]).toBe("7");
  const connect = await post("application/proto", Buffer.alloc(0));
  expect(connect.status).toBe(403);
  expect(connect.headers["x-dragoman-reason"]).toBe("cross_site");
});
