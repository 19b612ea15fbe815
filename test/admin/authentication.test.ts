import { createHash } from "node:crypto";
import http from "node:http";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type Admin, startAdmin } from "#admin";

const token = "correct-horse-battery";
const hash = createHash("sha256").update(token).digest("hex");
const admins = new Map<string, Admin>();
let acted = 0;

beforeAll(async () => {
  for (const configured of [token, `sha256:${hash}`, `sha256:${hash.toUpperCase()}`]) {
    const admin = await startAdmin({
      host: "127.0.0.1",
      port: 0,
      token: configured,
      metrics: () => "",
      notReady: () => ["the keys of main have not been loaded"],
      views: { shown: () => ({ shown: "to those who may see it" }) },
      actions: {
        act: async () => {
          acted++;
          return { done: true, shown: {} };
        },
      },
    });
    admins.set(configured, admin);
  }
});
afterAll(() => Promise.all([...admins.values()].map((admin) => admin.close())));

interface Answer {
  readonly status: number;
  readonly headers: http.IncomingHttpHeaders;
  readonly text: string;
}

function ask(port: number, path: string, headers: http.OutgoingHttpHeaders, method = "GET"): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const request = http.request(
      { host: "127.0.0.1", port, path, method, headers, agent: false },
      (response) => {
        let text = "";
        response.setEncoding("utf8").on("data", (chunk: string) => {
          text += chunk;
        });
        const status = response.statusCode ?? 0;
        response.on("end", () => resolve({ status, headers: response.headers, text }));
      },
    );
    request.on("error", reject).end();
  });
}

const basic = (text: string) => `Basic ${Buffer.from(text).toString("base64")}`;

test.each<[string, string | undefined, number]>([
  ["nothing", undefined, 401],
  ["the token", `Bearer ${token}`, 200],
  ["the scheme in lower case", `bearer ${token}`, 200],
  ["as a password", basic(`anybody:${token}`), 200],
  ["another token", "Bearer correct-horse-batterz", 401],
  ["a part of it", `Bearer ${token.slice(1)}`, 401],
  ["more than it", `Bearer ${token}x`, 401],
  ["its hash", `Bearer ${hash}`, 401],
  ["its hash as it is configured", `Bearer sha256:${hash}`, 401],
  ["as a user", basic(`${token}:`), 401],
  ["another scheme", `Digest ${token}`, 401],
  ["no scheme", token, 401],
])("%s", async (_name, authorization, status) => {
  for (const [, { port }] of admins) {
    const headers = authorization === undefined ? {} : { authorization };
    for (const path of ["/api/shown", "/metrics", "/"])
      expect((await ask(port, path, headers)).status).toBe(status);
    const before = acted;
    expect((await ask(port, "/api/act", headers, "POST")).status).toBe(status);
    expect(acted - before).toBe(status === 200 ? 1 : 0);
    // What is there and what is not is told to nobody else, either.
    expect((await ask(port, "/api/none", headers)).status).toBe(status === 200 ? 404 : 401);
  }
});

test("whoever is turned away hears how to come in", async () => {
  const { headers, text } = await ask(admins.get(token)?.port ?? 0, "/api/shown", {});
  expect(headers["www-authenticate"]).toBe('Bearer realm="admin", Basic realm="admin"');
  expect(text).not.toContain("those who may");
});

test("probes hear whether, and not why", async () => {
  const port = admins.get(token)?.port ?? 0;
  expect((await ask(port, "/livez", {})).status).toBe(200);
  const answer = await ask(port, "/readyz", {});
  expect([answer.status, answer.text]).toEqual([503, expect.not.stringContaining("main")]);
  expect((await ask(port, "/readyz", { authorization: `Bearer ${token}` })).text).toContain(
    "the keys of main",
  );
});

test("names are free, and pages of other origins still have no say", async () => {
  const port = admins.get(token)?.port ?? 0;
  const authorization = basic(`:${token}`);
  const host = "gateway.shop.test:9901";
  expect((await ask(port, "/api/shown", { authorization, host })).status).toBe(200);
  expect((await ask(port, "/api/shown", { authorization, host, origin: `http://${host}` })).status).toBe(200);
  expect(
    (await ask(port, "/api/act", { authorization, host, origin: "http://evil.test" }, "POST")).status,
  ).toBe(403);
});
