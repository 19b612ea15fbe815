import http from "node:http";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { type Admin, startAdmin } from "#admin";
import { createPrometheusMeter } from "#telemetry";

interface Answer {
  readonly status: number;
  readonly headers: http.IncomingHttpHeaders;
  readonly text: string;
}

const meter = createPrometheusMeter();
let reasons: string[] = [];
let acted: string[] = [];
let admin: Admin;

beforeAll(async () => {
  meter.counter("calls_total", "Calls.").add();
  admin = await startAdmin({
    host: "127.0.0.1",
    port: 0,
    metrics: () => meter.expose(),
    notReady: () => reasons,
    views: {
      numbers: () => ({ big: 2n ** 60n, map: new Map([["a", { b: 1 }]]) }),
      secrets: () => ({
        password: "s3cret",
        clientSecret: ["s3cret"],
        nested: [{ apiKey: "s3cret", apikey: "s3cret", access_token: "s3cret", keep: "kept" }],
        map: new Map([["authorization", "s3cret"]]),
        store: "redis://user:s3cret@host:6379/0?x=1",
        jwks: "https://s3cret@id.test/keys",
        plain: "https://id.test/a@b",
        token: { issuer: "kept" },
      }),
      broken: () => {
        throw new Error("s3cret");
      },
    },
    actions: {
      act: async () => {
        acted.push("act");
        return { done: true, shown: { status: "acted" } };
      },
      refuse: async () => ({ done: false, shown: { problems: ["no"] } }),
      fail: async () => {
        throw new Error("s3cret");
      },
    },
  });
});
afterAll(() => admin.close());
beforeEach(() => {
  reasons = [];
  acted = [];
});

function ask(method: string, path: string, headers: Readonly<Record<string, string>> = {}): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const request = http.request(
      { host: "127.0.0.1", port: admin.port, method, path, headers, agent: false },
      (response) => {
        let text = "";
        response.setEncoding("utf8");
        response.on("data", (chunk: string) => {
          text += chunk;
        });
        response.on("end", () =>
          resolve({ status: response.statusCode ?? 0, headers: response.headers, text }),
        );
      },
    );
    request.on("error", reject);
    request.end();
  });
}

describe("what is there", () => {
  test.each<[string, string, number, string, RegExp]>([
    ["GET", "/livez", 200, "application/json", /"status": "alive"/],
    ["GET", "/readyz", 200, "application/json", /"status": "ready"/],
    ["GET", "/metrics", 200, "text/plain; version=0.0.4; charset=utf-8", /^calls_total 1$/m],
    ["GET", "/", 200, "text/html; charset=utf-8", /<title>Dragoman<\/title>/],
    ["GET", "/api/numbers", 200, "application/json", /"big": "1152921504606846976"/],
    ["GET", "/api/numbers?pretty=1", 200, "application/json", /"map": \{\s+"a": \{\s+"b": 1/],
    ["HEAD", "/livez", 200, "application/json", /^$/],
    ["HEAD", "/metrics", 200, "text/plain; version=0.0.4; charset=utf-8", /^$/],
    ["POST", "/api/act", 200, "application/json", /"status": "acted"/],
    ["POST", "/api/refuse", 422, "application/json", /"problems"/],
  ])("%s %s is %i", async (method, path, status, type, text) => {
    const answer = await ask(method, path);
    expect(answer.status).toBe(status);
    expect(answer.headers["content-type"]).toBe(type);
    expect(answer.text).toMatch(text);
  });

  test("not ready: 503, and why", async () => {
    reasons = ["draining", "the keys of main have not been loaded"];
    const answer = await ask("GET", "/readyz");
    expect(answer.status).toBe(503);
    expect(JSON.parse(answer.text)).toEqual({ status: "not ready", reasons });
    expect((await ask("GET", "/livez")).status).toBe(200);
  });

  test("the page may load nothing from elsewhere, and be framed by nobody", async () => {
    const { headers } = await ask("GET", "/");
    expect(headers["content-security-policy"]).toMatch(/^default-src 'none';/);
    expect(headers["x-frame-options"]).toBe("DENY");
  });
});

describe("what is not", () => {
  test.each([
    ["GET", "/nope"],
    ["GET", "/api"],
    ["GET", "/api/"],
    ["GET", "/api/nope"],
    ["GET", "/api/toString"],
    ["POST", "/api/constructor"],
    ["DELETE", "/nope"],
    ["GET", "//livez"],
    ["GET", "/livez/"],
  ])("%s %s is a 404", async (method, path) => {
    expect(await ask(method, path)).toMatchObject({
      status: 404,
      text: expect.stringContaining("no such path"),
    });
  });

  test.each([
    ["POST", "/livez", "GET, HEAD"],
    ["DELETE", "/api/numbers", "GET, HEAD"],
    ["OPTIONS", "/metrics", "GET, HEAD"],
    ["GET", "/api/act", "POST"],
    ["HEAD", "/api/act", "POST"],
    ["PUT", "/api/act", "POST"],
  ])("%s %s is a 405", async (method, path, allow) => {
    expect(await ask(method, path)).toMatchObject({ status: 405, headers: { allow } });
    expect(acted).toEqual([]);
  });
});

describe("who may ask", () => {
  const at = (host: string): string => host.replace("PORT", String(admin.port));
  test.each([
    ["127.0.0.1:PORT", undefined, 200],
    ["127.0.0.1", undefined, 200],
    ["localhost:PORT", undefined, 200],
    ["LOCALHOST:PORT", undefined, 200],
    ["[::1]:PORT", undefined, 200],
    ["localhost:PORT", "http://localhost:PORT", 200],
    ["rebound.example:PORT", undefined, 403],
    ["localhost.example:PORT", undefined, 403],
    ["127.0.0.1.example", undefined, 403],
    ["localhost:PORT", "https://evil.example", 403],
    ["localhost:PORT", "http://localhost:1", 403],
    ["localhost:PORT", "null", 403],
  ])(
    "a page of another site, by name or by origin, may not: host %s, origin %s",
    async (host, origin, status) => {
      const headers = { host: at(host), ...(origin === undefined ? {} : { origin: at(origin) }) };
      expect((await ask("POST", "/api/act", headers)).status).toBe(status);
      expect(acted).toHaveLength(status === 200 ? 1 : 0);
      expect((await ask("GET", "/livez", headers)).status).toBe(status);
    },
  );
});

describe("nothing secret is shown", () => {
  test("of what is named like a secret, or stands in a URL", async () => {
    const { text } = await ask("GET", "/api/secrets");
    expect(text).not.toContain("s3cret");
    expect(JSON.parse(text)).toEqual({
      password: "(withheld)",
      clientSecret: "(withheld)",
      nested: [{ apiKey: "(withheld)", apikey: "(withheld)", access_token: "(withheld)", keep: "kept" }],
      map: { authorization: "(withheld)" },
      store: "redis://(withheld)@host:6379/0?(withheld)",
      jwks: "https://(withheld)@id.test/keys",
      plain: "https://id.test/a@b",
      token: { issuer: "kept" },
    });
  });

  test.each([
    ["GET", "/api/broken"],
    ["POST", "/api/fail"],
  ])("of a defect: %s %s", async (method, path) => {
    const answer = await ask(method, path);
    expect(answer.status).toBe(500);
    expect(JSON.parse(answer.text)).toEqual({ error: "internal error" });
  });
});

test("answers are never kept by anybody", async () => {
  for (const path of ["/readyz", "/api/numbers", "/nope"])
    expect((await ask("GET", path)).headers["cache-control"]).toBe("no-store");
});

test("a port that is taken is an error, and closing frees it, whoever is still connected or waits", async () => {
  const options = { host: "127.0.0.1", metrics: () => "", notReady: () => [], views: {}, actions: {} };
  await expect(startAdmin({ ...options, port: admin.port })).rejects.toMatchObject({ code: "EADDRINUSE" });
  let hangs: () => void = () => {};
  const hung = new Promise<void>((resolve) => {
    hangs = resolve;
  });
  const hang = (): Promise<never> => {
    hangs();
    return new Promise(() => {});
  };
  const other = await startAdmin({ ...options, port: 0, actions: { hang } });
  const agent = new http.Agent({ keepAlive: true });
  await new Promise((resolve, reject) => {
    http
      .get({ port: other.port, host: "127.0.0.1", agent, path: "/livez" }, (response) =>
        response.resume().on("end", resolve),
      )
      .on("error", reject);
  });
  const hanging = http.request({ port: other.port, host: "127.0.0.1", method: "POST", path: "/api/hang" });
  const cut = new Promise((resolve) => hanging.on("error", resolve));
  hanging.end();
  await hung;
  await other.close();
  await cut;
  agent.destroy();
  const again = await startAdmin({ ...options, port: other.port });
  await again.close();
});
