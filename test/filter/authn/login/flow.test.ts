import { afterAll, beforeAll, beforeEach, expect, test } from "vitest";
import { type LoginWorld, loginWorld, origin, sessionCookie } from "../support/login-world.ts";

let world: LoginWorld;

beforeAll(async () => {
  world = await loginWorld();
});
afterAll(() => world[Symbol.asyncDispose]());
beforeEach(() => world.provider.behave({}));

test("a browser that wants a page is led to the provider, with PKCE, state and nonce, and back to the page", async () => {
  const browser = world.browser();
  const first = await browser.visit(`${origin}/mine?tab=2&x=%2F`);
  expect(first).toMatchObject({
    status: 302,
    location: `${origin}/.dragoman/login?return_to=${encodeURIComponent("/mine?tab=2&x=%2F")}`,
    reason: "credentials_missing",
  });
  expect(first.headers["cache-control"]).toBe("no-store");

  const login = await browser.visit(first.location);
  expect(login.status).toBe(302);
  const asks = new URL(login.location);
  expect(`${asks.origin}${asks.pathname}`).toBe(`${world.provider.issuer}/authorize`);
  expect(Object.fromEntries(asks.searchParams)).toEqual({
    client_id: "shop",
    response_type: "code",
    redirect_uri: `${origin}/.dragoman/callback`,
    scope: "openid orders.read",
    state: expect.stringMatching(/^[\w-]{43}$/),
    nonce: expect.stringMatching(/^[\w-]{43}$/),
    code_challenge: expect.stringMatching(/^[\w-]{43}$/),
    code_challenge_method: "S256",
  });
  const { state, nonce } = Object.fromEntries(asks.searchParams);
  expect(state).not.toBe(nonce);

  const back = await world.comeBack(browser, world.provider.authorize(login.location));
  expect(back).toMatchObject({ status: 303, location: `${origin}/mine?tab=2&x=%2F` });
  expect(back.headers["referrer-policy"]).toBe("no-referrer");
  const { authorization, form } = world.provider.asked.at(-1) ?? {};
  expect(authorization).toBe(`Basic ${Buffer.from("shop:client+secret").toString("base64")}`);
  expect(form?.get("redirect_uri")).toBe(`${origin}/.dragoman/callback`);

  const page = await browser.visit(back.location);
  expect(page.status).toBe(200);
  expect(JSON.parse(page.text)).toMatchObject({ "x-dragoman-subject": "ann", "x-email": "ann@shop.test" });
});

test("cookies are __Host-, HttpOnly, Secure and SameSite=Lax, and tell nothing", async () => {
  const browser = world.browser();
  const location = await world.begin(browser);
  const [attempt = ""] = browser.jar(origin).keys();
  expect(attempt).toMatch(/^__Host-dragoman-shop\.login\.[\w-]{8}$/);
  const back = await world.comeBack(browser, world.provider.authorize(location));
  const set = back.headers["set-cookie"] ?? [];
  expect(set).toHaveLength(2);
  expect(set[0]).toBe(`${attempt}=; Path=/; Max-Age=0; HttpOnly; Secure; SameSite=Lax`);
  // An hour without use.
  expect(set[1]).toMatch(
    /^__Host-dragoman-shop=1\.[\w-]+; Path=\/; Max-Age=3(?:599|600); HttpOnly; Secure; SameSite=Lax$/,
  );
  const value = browser.jar(origin).get(sessionCookie) ?? "";
  expect(Buffer.from(value.slice(2), "base64url").toString("latin1")).not.toMatch(/ann|refresh|access/);
});

test("programs are not led anywhere: 401 in the form of every other refusal, with where to log in", async () => {
  const browser = world.browser();
  const fetched = await browser.send(`${origin}/mine`, {
    headers: { "sec-fetch-mode": "cors", "sec-fetch-dest": "empty", accept: "application/json" },
  });
  expect(fetched).toMatchObject({ status: 401, location: "", reason: "credentials_missing" });
  expect(fetched.headers["www-authenticate"]).toBe(`Login uri="${origin}/.dragoman/login"`);
  expect(JSON.parse(fetched.text)).toEqual({ code: 16, message: "credentials are required", details: [] });
  const framed = await browser.visit(`${origin}/mine`, { "sec-fetch-dest": "iframe" });
  expect(framed.status).toBe(401);
  const posted = await browser.send(`${origin}/mine`, {
    method: "POST",
    headers: { "sec-fetch-mode": "navigate" },
  });
  expect(posted.status).toBe(401);
});

test("gRPC and JSON calls get UNAUTHENTICATED, and a page that opens such a path is led to the login", async () => {
  using client = world.at.connect();
  const grpc = await client.request({
    method: "POST",
    path: "/t.T/M",
    headers: { "content-type": "application/grpc", te: "trailers", "sec-fetch-mode": "navigate" },
    body: Buffer.alloc(5),
  });
  expect(grpc.headers["grpc-status"]).toBe("16");
  const json = await world.browser().send(`${origin}/m`, { method: "POST", body: "{}" });
  expect(json).toMatchObject({ status: 401, reason: "credentials_missing" });
});

test("scopes are those that the provider granted, or those that were asked for", async () => {
  const browser = world.browser();
  await world.logIn(browser);
  expect((await browser.visit(`${origin}/orders`)).status).toBe(200);
  expect(await browser.visit(`${origin}/admin`)).toMatchObject({ status: 403, reason: "scope_missing" });
  world.provider.behave({ tokens: { scope: "openid admin" } });
  await world.logIn(browser);
  expect((await browser.visit(`${origin}/orders`)).status).toBe(403);
  expect((await browser.visit(`${origin}/admin`)).status).toBe(200);
});

test("on optional routes people are known who have logged in, and others are nobody", async () => {
  const browser = world.browser();
  expect(JSON.parse((await browser.visit(`${origin}/maybe`)).text)).not.toHaveProperty("x-dragoman-subject");
  await world.logIn(browser);
  expect(JSON.parse((await browser.visit(`${origin}/maybe`)).text)).toMatchObject({
    "x-dragoman-subject": "ann",
  });
});

test("the gateway's cookies end at the gateway, on every route, and those of others do not", async () => {
  const browser = world.browser();
  await world.logIn(browser);
  await world.begin(browser);
  browser.jar(origin).set("theme", "dark");
  for (const path of ["/mine", "/maybe", "/forwarding", "/public"]) {
    const { text } = await browser.visit(`${origin}${path}`);
    expect(JSON.parse(text)).toMatchObject({ cookie: "theme=dark" });
  }
  browser.jar(origin).delete("theme");
  expect(JSON.parse((await browser.visit(`${origin}/public`)).text)).not.toHaveProperty("cookie");
});

test("an access token goes upstream where it is kept and the route forwards credentials", async () => {
  const browser = world.browser();
  await world.logIn(browser);
  expect(JSON.parse((await browser.visit(`${origin}/forwarding`)).text)).not.toHaveProperty("authorization");
  await using keeping = await loginWorld({ login: { accessToken: "keep" } });
  const other = keeping.browser();
  await keeping.logIn(other);
  const forwarded = JSON.parse((await other.visit(`${origin}/forwarding`)).text);
  expect(forwarded.authorization).toMatch(/^Bearer access-\d+$/);
  expect(JSON.parse((await other.visit(`${origin}/mine`)).text)).not.toHaveProperty("authorization");
});

test("several tabs may log in at once", async () => {
  const browser = world.browser();
  const locations = [await world.begin(browser, "/one"), await world.begin(browser, "/two")];
  const answers = locations.map((location) => world.provider.authorize(location));
  for (const [i, returnTo] of ["/one", "/two"].entries())
    expect((await world.comeBack(browser, answers[i] ?? "")).location).toBe(`${origin}${returnTo}`);
});

test("attempts that are never finished do not pile up in a browser: the oldest goes", async () => {
  const browser = world.browser();
  const locations: string[] = [];
  for (let i = 0; i < 8; i++) locations.push(await world.begin(browser));
  expect([...browser.jar(origin).keys()]).toHaveLength(5);
  expect((await world.comeBack(browser, world.provider.authorize(locations[2] ?? ""))).status).toBe(400);
  expect((await world.comeBack(browser, world.provider.authorize(locations[3] ?? ""))).status).toBe(303);
});

test("a session with many claims is spread over several cookies; what is left of a longer one is dropped", async () => {
  const browser = world.browser();
  world.provider.behave({
    claims: { groups: Array.from({ length: 300 }, (_, i) => `group-of-people-${i}`) },
  });
  await world.logIn(browser);
  expect([...browser.jar(origin).keys()]).toEqual([
    sessionCookie,
    `${sessionCookie}.1`,
    `${sessionCookie}.2`,
  ]);
  for (const [name, value] of browser.jar(origin)) expect(name.length + value.length).toBeLessThan(4096);
  expect((await browser.visit(`${origin}/mine`)).status).toBe(200);
  world.provider.behave({});
  await world.logIn(browser);
  expect([...browser.jar(origin).keys()]).toEqual([sessionCookie]);
  expect((await browser.visit(`${origin}/mine`)).status).toBe(200);
});

test("a session that no browser would keep is refused, and said to be so", async () => {
  const browser = world.browser();
  world.provider.behave({ claims: { groups: "x".repeat(12_000) } });
  const page = await world.logIn(browser);
  expect(page).toMatchObject({ status: 500, reason: "login_failed" });
  expect(page.text).toContain("more than a session can hold");
  expect([...browser.jar(origin).keys()]).toEqual([]);
});

test("logout ends the session here and leads to the provider's own logout; the refresh token is withdrawn", async () => {
  const browser = world.browser();
  await world.logIn(browser);
  const out = await browser.send(`${origin}/.dragoman/logout`, {
    method: "POST",
    headers: { "sec-fetch-site": "same-origin", "content-type": "application/x-www-form-urlencoded" },
    body: "",
  });
  const end = new URL(out.location);
  expect(out.status).toBe(303);
  expect(`${end.origin}${end.pathname}`).toBe(`${world.provider.issuer}/end`);
  expect(Object.fromEntries(end.searchParams)).toEqual({
    client_id: "shop",
    post_logout_redirect_uri: `${origin}/`,
  });
  expect([...browser.jar(origin).keys()]).toEqual([]);
  const { path, form } = world.provider.asked.at(-1) ?? {};
  expect([path, form?.get("token")]).toEqual(["/revoke", expect.stringMatching(/^refresh-/)]);
  expect((await browser.visit(`${origin}/mine`)).status).toBe(302);
});

test("logout works by itself where the provider has none, or is down", async () => {
  await using other = await loginWorld({ login: { afterLogout: "/signed-out" } });
  other.provider.behave({ metadata: { end_session_endpoint: undefined, revocation_endpoint: undefined } });
  const browser = other.browser();
  const post = { method: "POST", headers: { "sec-fetch-site": "same-origin" } };
  expect((await other.logIn(browser)).status).toBe(303);
  const out = await browser.send(`${origin}/.dragoman/logout`, post);
  expect(out).toMatchObject({ status: 303, location: `${origin}/signed-out` });
  expect([...browser.jar(origin).keys()]).toEqual([]);
  expect((await browser.send(`${origin}/.dragoman/logout`, post)).status).toBe(303);
});

test("the endpoints take their own methods alone, and are seen in the access log without their queries", async () => {
  const browser = world.browser();
  expect(await browser.send(`${origin}/.dragoman/logout`)).toMatchObject({
    status: 405,
    reason: "method_not_allowed",
  });
  expect((await browser.send(`${origin}/.dragoman/login`, { method: "POST" })).status).toBe(405);
  await world.logIn(browser, "/mine?secret=1");
  const line = world.at.access().findLast(({ route }) => route === "GET /.dragoman/callback");
  expect(line).toMatchObject({ code: "OK" });
  expect(JSON.stringify(line)).not.toMatch(/code-|state|secret/);
});
