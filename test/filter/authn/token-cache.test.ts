import { beforeEach, describe, expect, test } from "vitest";
import { TokenCache } from "../../../src/filter/authn/token-cache.ts";
import type { Verified } from "../../../src/filter/authn/verify.ts";

const peer = { address: "192.0.2.1", port: 4711 };
const shown = "Bearer a.b.c";
let trusted: boolean;
let cache: TokenCache;
let verified: Verified;

const principal = { subject: "ann", provider: "main", scopes: [], claims: {}, expiresAt: 1000 };

beforeEach(() => {
  trusted = true;
  cache = new TokenCache();
  verified = { principal, thumbprint: "t", keys: { trusts: () => trusted } };
  cache.show(peer, shown, verified);
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
    cache.show(peer, "Bearer x.y.z", { ...verified, principal: other });
    expect(cache.shownBy(peer, "Bearer x.y.z", 500)).toBe(other);
    expect(cache.shownBy(peer, shown, 500)).toBeUndefined();
  });

  test("is not kept of whom a proxy speaks for", () => {
    const spokenFor = { ...peer, port: 0 };
    cache.show(spokenFor, shown, verified);
    expect(cache.shownBy(spokenFor, shown, 500)).toBeUndefined();
  });
});
