import { expect, test } from "vitest";
import { type LoadOutcome, parseConfig, type StoreConfig } from "#config";

function parse(store: string, env: Readonly<Record<string, string>> = {}): LoadOutcome {
  const text = `version: 1
schema: [{ proto: ./proto }]
upstreams: { a: "grpc://h:1" }
routes: [{ match: "*" }]
store: ${store}
`;
  return parseConfig(text, { file: "/etc/gateway/gateway.yaml", env });
}

const redis: StoreConfig = {
  kind: "redis",
  host: "r",
  port: 6379,
  database: 0,
  username: undefined,
  password: undefined,
  tls: undefined,
  timeoutMs: 100,
  prefix: "dragoman:",
};

test.each<[string, StoreConfig]>([
  ["memory", { kind: "memory" }],
  ["redis://r", redis],
  ["redis://10.0.0.1:7000/3", { ...redis, host: "10.0.0.1", port: 7000, database: 3 }],
  ['"redis://[::1]:6379"', { ...redis, host: "::1" }],
  ["rediss://r", { ...redis, tls: { ca: undefined } }],
  ["{ url: rediss://r, ca: ca.pem }", { ...redis, tls: { ca: "/etc/gateway/ca.pem" } }],
  ["{ url: redis://r, timeout: 20ms, prefix: a }", { ...redis, timeoutMs: 20, prefix: "a" }],
])("%s", (text, expected) => {
  expect(parse(text).config?.store).toEqual(expected);
});

test.each([
  ['"redis://me:p%40ss%25@r"', "p@ss%"],
  ['"redis://me:${env:PASSWORD}@r"', "from-env"],
  ['{ url: redis://r, username: me, password: "${env:PASSWORD}" }', "from-env"],
  ['{ url: "redis://me@r", password: "a/b@c%" }', "a/b@c%"],
])("the password of %s, which nothing shows", (text, password) => {
  const store = parse(text, { PASSWORD: "from-env" }).config?.store;
  if (store?.kind !== "redis") throw new Error("there is no store");
  expect(store.username).toBe("me");
  expect(store.password?.reveal()).toBe(password);
  expect(`${JSON.stringify(store)} ${store.password}`).not.toContain(password);
});

test.each(["http://r", "redis://", '"redis://a:%zz@r"', "redis://r/db", "{ timeout: 1s }", "disk"])(
  "%s is none",
  (text) => {
    const { config, problems } = parse(text);
    expect(config).toBeUndefined();
    expect(problems[0]).toMatchObject({ line: 5 });
  },
);
