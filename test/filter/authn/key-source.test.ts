import { afterEach, beforeEach, describe, expect, onTestFinished, test, vi } from "vitest";
import { Code } from "#rpc";
import { tempFolder } from "../../support/temp-folder.ts";
import { failure } from "../support/call.ts";
import { authenticator } from "./support/authenticate.ts";
import { type KeyServer, startKeyServer } from "./support/key-server.ts";
import { makeKey, type SigningKey } from "./support/tokens.ts";

let old: SigningKey;
let fresh: SigningKey;
let server: KeyServer;

beforeEach(async () => {
  [old, fresh] = [await makeKey("old"), await makeKey("new")];
  server = await startKeyServer([old]);
});
afterEach(async () => {
  await server[Symbol.asyncDispose]();
});

const hour = 3_600_000;

/** An authenticator whose clock stands until it is moved; its first fetch is over. */
async function started(url = server.url) {
  const clock = { now: 0 };
  const at = authenticator(url, { now: () => clock.now });
  await at.keys.find("old", "ES256");
  return { clock, at };
}

const unavailable = { code: Code.UNAVAILABLE, reason: "keys_unavailable", retryAfter: 5 };
const invalid = { code: Code.UNAUTHENTICATED, reason: "credentials_invalid" };

describe("rotation", () => {
  test("a kid that is not known yet is looked for once, and found", async () => {
    const { clock, at } = await started();
    await using _closing = at;
    server.show([old, fresh]);
    clock.now += 6000;
    const tokens = await Promise.all(Array.from({ length: 20 }, (_, index) => fresh.sign({ index })));
    await Promise.all(tokens.map((token) => at.authenticate(token).catch(() => {})));
    expect(server.requests).toBe(2);
    for (const token of tokens) expect((await at.authenticate(token)).context.principal).toBeDefined();
    expect(await at.authenticate(await old.sign())).toBeDefined();
    expect(server.requests).toBe(2);
  });

  test("kids that nobody has are no load on the provider", async () => {
    const { clock, at } = await started();
    await using _closing = at;
    const guess = async (kid: string) => failure(at.authenticate(await fresh.sign({}, { kid })));
    for (let i = 0; i < 10; i++) expect(await guess(`a${i}`)).toMatchObject(invalid);
    expect(server.requests, "right after the first fetch").toBe(1);
    clock.now += 6000;
    for (let i = 0; i < 10; i++) expect(await guess(`b${i}`)).toMatchObject(invalid);
    expect(server.requests, "a while after it").toBe(2);
    clock.now += 4999;
    await guess("c");
    expect(server.requests, "before another while is over").toBe(2);
  });

  test("a key that was withdrawn is no longer taken", async () => {
    const { clock, at } = await started();
    await using _closing = at;
    server.show([fresh]);
    clock.now += 6000;
    await at.authenticate(await fresh.sign());
    expect(await failure(at.authenticate(await old.sign()))).toMatchObject(invalid);
  });
});

describe("a provider that is down", () => {
  test("the last good keys stand for a day, and not for ever", async () => {
    const { clock, at } = await started();
    await using _closing = at;
    server.answer((response) => response.writeHead(503).end("down"));
    clock.now += 6000;
    expect(await failure(at.authenticate(await fresh.sign()))).toMatchObject(invalid);
    expect(server.requests).toBe(2);
    clock.now += 23 * hour;
    expect(await at.authenticate(await old.sign())).toBeDefined();
    expect(at.keys.available).toBe(true);
    clock.now += hour;
    expect(await failure(at.authenticate(await old.sign({ n: 1 })))).toMatchObject(unavailable);
    expect(at.keys.available).toBe(false);
    expect(at.log.map((line) => JSON.parse(line))).toContainEqual(
      expect.objectContaining({
        level: "warn",
        message: "the keys of an issuer cannot be loaded",
        issuer: "main",
      }),
    );
    server.show([old]);
    clock.now += 6000;
    expect(await at.authenticate(await old.sign({ n: 2 }))).toBeDefined();
  });

  test.each<[string, Parameters<KeyServer["answer"]>[0]]>([
    ["an error", (response) => response.writeHead(500).end(JSON.stringify({ keys: [old.jwk] }))],
    ["no JSON", (response) => response.end("<html>")],
    ["no key set", (response) => response.end('{"key":[]}')],
    ["a key set of things that are no keys", (response) => response.end('{"keys":[1,null]}')],
    ["no usable key", (response) => response.end('{"keys":[{"kty":"oct","k":"c2VjcmV0","alg":"HS256"}]}')],
    ["too many keys", (response) => response.end(JSON.stringify({ keys: new Array(101).fill(old.jwk) }))],
    [
      "too many bytes",
      (response) => response.end(JSON.stringify({ keys: [old.jwk], pad: "x".repeat(600 * 1024) })),
    ],
    ["a connection that breaks", (response) => response.destroy()],
  ])("from the start, %s: tokens cannot be verified now", async (_name, answer) => {
    server.answer(answer);
    const { at } = await started();
    await using _closing = at;
    expect(await failure(at.authenticate(await old.sign()))).toMatchObject(unavailable);
    expect(at.keys.available).toBe(false);
    expect(at.log).toHaveLength(1);
  });

  test("a redirect leads nowhere", async () => {
    await using other = await startKeyServer([old]);
    server.answer((response) => response.writeHead(302, { location: other.url }).end());
    const { at } = await started();
    await using _closing = at;
    expect(await failure(at.authenticate(await old.sign()))).toMatchObject(unavailable);
    expect(other.requests).toBe(0);
  });

  test("closing does not wait for one that never answers", async () => {
    server.answer(() => {});
    vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
    onTestFinished(() => void vi.useRealTimers());
    const at = authenticator(server.url);
    const step = async (): Promise<void> => {
      await vi.advanceTimersByTimeAsync(1);
      await new Promise(setImmediate);
    };
    // Both in less than a fetch may take.
    for (let ms = 0; ms < 2000 && server.requests === 0; ms++) await step();
    const waiting = at.keys.find("old", "ES256");
    let closed = false;
    const closing = at.keys.close().then(() => {
      closed = true;
    });
    for (let ms = 0; ms < 2000 && !closed; ms++) await step();
    expect(closed).toBe(true);
    await closing;
    expect(await waiting).toBeUndefined();
    expect(at.log).toEqual([]);
  });
});

describe("keys that may not verify", () => {
  const usable = async (jwk: Record<string, unknown>, { kid, alg }: SigningKey): Promise<boolean> => {
    server.show([{ jwk }]);
    await using at = authenticator(server.url, { algorithms: ["ES256", "RS256", "PS256", "EdDSA"] });
    return ((await at.keys.find(kid, alg)) ?? []).length > 0;
  };
  test.each<[string, boolean, () => Promise<[SigningKey, Record<string, unknown>]>]>([
    ["a plain one may", true, async () => [old, {}]],
    ["of unknown use may", true, async () => [old, { use: undefined, alg: undefined }]],
    ["Ed25519 may", true, async () => [await makeKey("k", "EdDSA"), {}]],
    ["for verifying may", true, async () => [old, { key_ops: ["verify"] }]],
    ["for encryption", false, async () => [old, { use: "enc" }]],
    ["for other operations", false, async () => [old, { key_ops: ["encrypt"] }]],
    ["for no operation", false, async () => [old, { key_ops: [] }]],
    ["for another algorithm", false, async () => [await makeKey("k", "PS256"), { alg: "RS256" }]],
    ["with its private part", false, async () => [old, old.privateJwk]],
    ["a short RSA key", false, async () => [await makeKey("k", "RS256", 1024), {}]],
    ["an algorithm that is not accepted", false, async () => [await makeKey("k", "ES384"), {}]],
    ["a broken one", false, async () => [old, { x: "AA" }]],
  ])("%s", async (_name, may, make) => {
    const [signer, over] = await make();
    expect(await usable({ ...signer.jwk, ...over }, signer)).toBe(may);
  });
});

test("keys in a file", async () => {
  await using folder = await tempFolder({ "keys.json": JSON.stringify({ keys: [old.jwk] }) });
  const { clock, at } = await started(`${folder.dir}/keys.json`);
  await using _closing = at;
  expect(await at.authenticate(await old.sign())).toBeDefined();
  await folder.write("keys.json", JSON.stringify({ keys: [fresh.jwk] }));
  clock.now += 6000;
  expect(await at.authenticate(await fresh.sign())).toBeDefined();
  await folder.remove("keys.json");
  clock.now += 6000;
  expect(await at.authenticate(await fresh.sign({ n: 1 }))).toBeDefined();
});

describe("without any call", () => {
  afterEach(() => {
    vi.useRealTimers();
  });

  test.each<[string, string | undefined, number]>([
    ["max-age", "public, max-age=1000", 1000],
    ["ten minutes, when nothing is said", undefined, 600],
    ["a minute at least", "max-age=1", 60],
    ["a day at most", "max-age=999999999", 86_400],
  ])("keys are fetched again before they expire: %s", async (_name, cacheControl, seconds) => {
    server.answer((response) => {
      if (cacheControl !== undefined) response.setHeader("cache-control", cacheControl);
      response.end(JSON.stringify({ keys: [old.jwk] }));
    });
    vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
    await using at = authenticator(server.url);
    await vi.waitFor(() => expect(at.keys.available).toBe(true), 10_000);
    await at.keys.find("nobody's", "ES256");
    vi.advanceTimersByTime(seconds * 690);
    // Waits for a fetch, if one is under way.
    await at.keys.find("nobody's", "ES256");
    expect(server.requests).toBe(1);
    vi.advanceTimersByTime(seconds * 115);
    await vi.waitFor(() => expect(server.requests).toBe(2), 10_000);
  });

  test("not all gateways ask at the same moment: who would, asks at another time than the others", async () => {
    vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
    const many = Array.from({ length: 40 }, () => authenticator(server.url, { now: () => 0 }));
    /** Waits for fetches that are under way, and begins none. */
    const settled = async (): Promise<void> => {
      let done = false;
      void Promise.all(many.map(({ keys }) => keys.find("nobody's", "ES256"))).then(() => {
        done = true;
      });
      await vi.waitFor(() => expect(done).toBe(true), 10_000);
    };
    await settled();
    expect(server.requests).toBe(40);
    vi.advanceTimersByTime(450_000);
    await settled();
    expect(server.requests).toBeGreaterThan(40);
    expect(server.requests).toBeLessThan(80);
    for (const at of many) await at[Symbol.asyncDispose]();
  });

  test("a provider that was down at the start is asked again", async () => {
    server.answer((response) => response.writeHead(503).end());
    vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
    await using at = authenticator(server.url);
    await vi.waitFor(() => expect(at.log).toHaveLength(1), 10_000);
    await at.keys.find("old", "ES256");
    server.show([old]);
    vi.advanceTimersByTime(5000);
    await vi.waitFor(() => expect(at.keys.available).toBe(true), 10_000);
  });
});
