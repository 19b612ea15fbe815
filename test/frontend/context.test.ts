import { expect, test } from "vitest";
import { newContext } from "../../src/frontend/context.ts";
import { trustedPeers } from "../../src/frontend/peer.ts";

test.each<[string, "http" | "https", string[], boolean, boolean]>([
  ["TLS to the gateway", "https", [], false, true],
  ["none", "http", [], false, false],
  ["whoever says so is not trusted", "http", ["https"], false, false],
  ["nor when he says the contrary", "https", ["http"], false, true],
  ["a trusted proxy says so", "http", ["https"], true, true],
  ["a trusted proxy says the contrary", "https", ["http"], true, false],
  ["a trusted proxy says nothing", "http", [], true, false],
  ["what its client said before it does not count", "http", ["https, http"], true, false],
  ["nor in a field of its own", "http", ["https", "http"], true, false],
])("whether the client speaks TLS: %s", (_name, scheme, said, trusted, secure) => {
  const fields = said.flatMap((value) => ["x-forwarded-proto", value]);
  const head = { method: "GET", scheme, authority: "a", target: "/", fields } as const;
  const arrival = { head, peer: { address: "10.0.0.1", port: 1 }, startedAt: 0 };
  const trusts = trustedPeers(trusted ? ["10.0.0.0/8"] : []);
  expect(newContext(arrival, "rest", "/", { trusts, via: undefined }).secure).toBe(secure);
});
