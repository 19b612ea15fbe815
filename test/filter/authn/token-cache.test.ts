import { beforeEach, describe, expect, test } from "vitest";
import { TokenCache } from "../../../src/filter/authn/token-cache.ts";

const peer = { address: "192.0.2.1", port: 4711 };
const shown = "Bearer a.b.c";
let trusted: boolean;
let cache: TokenCache;

const principal = { subject: "ann", provider: "main", scopes: [], claims: {}, expiresAt: 1000 };

beforeEach(() => {
  trusted = true;
  cache = new TokenCache();
  cache.set("a.b.c", { principal, thumbprint: "t", keys: { trusts: () => trusted } });
  cache.show(peer, shown, "a.b.c", 500);
});

describe("what a connection has shown", () => {
  test("is known by it alone", () => {
    expect(cache.shownBy(peer, shown, 999)).toBe(principal);
    expect(cache.shownBy({ ...peer }, shown, 999)).toBeUndefined();
    expect(cache.shownBy(peer, "Bearer a.b.d", 999)).toBeUndefined();
  });

  test("is forgotten when it expires", () => {
    expect(cache.shownBy(peer, shown, 1000)).toBeUndefined();
    expect(cache.shownBy(peer, shown, 999)).toBeUndefined();
  });

  test("is forgotten when its key is withdrawn", () => {
    trusted = false;
    expect(cache.shownBy(peer, shown, 500)).toBeUndefined();
    trusted = true;
    expect(cache.shownBy(peer, shown, 500)).toBeUndefined();
  });

  test("makes room for what it shows next", () => {
    const other = { ...principal, subject: "bob" };
    cache.set("x.y.z", { principal: other, thumbprint: "t", keys: { trusts: () => trusted } });
    cache.show(peer, "Bearer x.y.z", "x.y.z", 500);
    expect(cache.shownBy(peer, "Bearer x.y.z", 500)).toBe(other);
    expect(cache.shownBy(peer, shown, 500)).toBeUndefined();
  });

  test.each([
    ["of whom a proxy speaks for", { ...peer, port: 0 }, "a.b.c", 500],
    ["of a token that is not known", peer, "d.e.f", 500],
    ["of a token that has expired", peer, "a.b.c", 1000],
  ])("is not kept %s", (_name, who, token, now) => {
    const fresh = { ...who };
    cache.show(fresh, shown, token, now);
    expect(cache.shownBy(fresh, shown, 500)).toBeUndefined();
  });
});
