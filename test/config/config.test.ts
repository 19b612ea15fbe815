import { readFileSync } from "node:fs";
import path from "node:path";
import { describe, expect, test } from "vitest";
import { type Config, configJsonSchema, parseConfig, routeOfMethod } from "../../src/config/index.ts";
import { formatProblem } from "../../src/schema/index.ts";

const base = `version: 1
schema: [{ proto: ./proto }]
upstreams: { a: "grpc://h:1" }
routes: [{ match: "*" }]
`;

function problems(text: string, env: Readonly<Record<string, string>> = {}): string[] {
  return parseConfig(text, { file: "/etc/g.yaml", env }).problems.map((each) =>
    formatProblem(each).replace("/etc/", ""),
  );
}

function config(text: string, env: Readonly<Record<string, string>> = {}): Config {
  const loaded = parseConfig(text, { file: "/etc/g.yaml", env });
  if (loaded.config === undefined) throw new Error(loaded.problems.map(formatProblem).join("\n"));
  return loaded.config;
}

describe("what may be written", () => {
  test("the least, with its defaults", () => {
    expect(config(base)).toMatchObject({
      listen: {
        https: { port: 8443, tls: "dev" },
        http: { port: 8080, mode: "redirect" },
        trustProxies: [],
        limits: {
          headerBytes: 61_440,
          headerCount: 100,
          bodyBytes: 4_194_304,
          idle: 300_000,
          streamsPerConnection: 100,
        },
      },
      admin: { host: "127.0.0.1", port: 9901 },
      schema: [{ kind: "proto", dir: "/etc/proto" }],
      defaults: { timeout: 15_000 },
      transcoding: {
        preset: "strict",
        emitDefaults: "none",
        unknownQuery: "reject",
        unknownFields: "reject",
      },
      drain: 30_000,
    });
  });

  test("upstreams, short and long", () => {
    const { upstreams } = config(
      `version: 1
schema: [{ reflection: a }]
upstreams:
  a: grpc://h:1,[::1]:2
  b: grpcs://h:3
  c: { target: "dns:///orders:50051", connect: 250ms, maxInFlight: 10, health: { enabled: false } }
  d: { endpoints: [h:1, { address: h:2 }], tls: { ca: ca.pem, serverName: x } }
  e: http://h:3000
  f: https://h
  g: xds:///orders
  h: { target: "xds://plane.test/orders/v2", maxInFlight: 10 }
routes: [{ match: "*", to: a }]
`,
      { GRPC_XDS_BOOTSTRAP: "/etc/xds.json" },
    );
    expect(upstreams.get("a")).toMatchObject({ target: { addresses: ["h:1", "[::1]:2"] }, tls: undefined });
    expect(upstreams.get("b")).toMatchObject({ tls: {} });
    expect(upstreams.get("c")).toMatchObject({
      target: { kind: "dns", host: "orders", port: 50051 },
      connectTimeoutMs: 250,
      maxInFlight: 10,
      health: { enabled: false },
    });
    expect(upstreams.get("d")).toMatchObject({
      target: { addresses: ["h:1", "h:2"] },
      tls: { ca: "/etc/ca.pem", serverName: "x" },
    });
    expect(upstreams.get("e")).toMatchObject({ kind: "http", host: "h", port: 3000, tls: false });
    expect(upstreams.get("f")).toMatchObject({ kind: "http", port: 443, tls: true });
    expect(upstreams.get("g")).toMatchObject({ kind: "grpc", target: { kind: "xds", uri: "xds:///orders" } });
    expect(upstreams.get("h")).toMatchObject({ target: { kind: "xds", uri: "xds://plane.test/orders/v2" } });
  });

  test("references, and JSON", () => {
    const text = JSON.stringify({
      version: 1,
      listen: { https: { port: "${env:PORT}" } },
      schema: [{ proto: "./proto" }],
      upstreams: { a: "grpc://${env:HOST}:1" },
      routes: [{ match: "*" }],
    });
    expect(config(text, { PORT: "7", HOST: "h" })).toMatchObject({ listen: { https: { port: 7 } } });
  });

  test("limits and retries in their normal form", () => {
    const parsed =
      config(`${base.replace('routes: [{ match: "*" }]', "")}limits: { l: { key: peer.ip, rate: 100/min } }
routes: [{ match: "*", limit: [l], timeout: 1.5s, retry: { attempts: 2, backoff: 10ms..1s } }]
`);
    expect(parsed.limits.get("l")).toEqual({
      key: [{ text: "peer.ip", file: "/etc/g.yaml", line: 5, column: 21, verbatim: true, quotes: 0 }],
      rate: { count: 100, perMs: 60_000, burst: 100 },
      tiers: [],
      cost: 1,
      onMissing: "deny",
      onStoreDown: "local",
      messages: "none",
      partitionKey: false,
      shadow: false,
      ipv6Prefix: 64,
      maxKeys: 100_000,
    });
    expect(parsed.routes[0]).toMatchObject({
      timeoutMs: 1500,
      retry: { attempts: 2, on: ["UNAVAILABLE"], backoffMs: 10, maxBackoffMs: 1000 },
      line: 6,
    });
  });
});

describe("what is wrong has its place", () => {
  const cases: readonly [string, string, readonly string[]][] = [
    ["an unknown key", `${base}listn: {}\n`, ["g.yaml:5:1: error: listn: no such key; did you mean listen?"]],
    [
      "an unknown key within",
      `${base}listen: { https: { prot: 1 } }\n`,
      ["g.yaml:5:20: error: listen.https.prot: no such key; did you mean port?"],
    ],
    [
      "an xDS target, and nothing that says where its control plane is",
      base.replace(/upstreams: .*/, "upstreams: { a: xds:///orders }"),
      [
        "g.yaml:3:17: error: an xds:/// target needs GRPC_XDS_BOOTSTRAP, the file that says where the control plane is",
      ],
    ],
    ["a bad duration", `${base}drain: 5\n`, ["g.yaml:5:8: error: drain: expected string"]],
    [
      "another bad duration",
      `${base}drain: 5 minutes\n`,
      ["g.yaml:5:8: error: drain: expected a duration such as 250ms, 5s or 1m"],
    ],
    [
      "a bad size",
      `${base}listen: { limits: { bodyBytes: 4MB! } }\n`,
      ["g.yaml:5:32: error: listen.limits.bodyBytes: expected a size such as 64KiB or 4MiB"],
    ],
    [
      "a bad choice",
      `${base}listen: { http: { mode: on } }\n`,
      ["g.yaml:5:25: error: listen.http.mode: expected redirect or serve or off"],
    ],
    ["a duplicate key", `${base}version: 1\n`, ["g.yaml:5:1: error: Map keys must be unique"]],
    [
      "bad YAML",
      "version: [1\n",
      ["g.yaml:2:1: error: Flow sequence in block collection must be sufficiently indented and end with a ]"],
    ],
    [
      "nothing",
      "",
      [
        "g.yaml: error: version: expected 1",
        "g.yaml: error: schema: expected array, but it is missing",
        "g.yaml: error: upstreams: expected record, but it is missing",
        "g.yaml: error: routes: expected array, but it is missing",
      ],
    ],
    [
      "a missing reference",
      `${base}listen: { https: { tls: "\${env:NOPE}" } }\n`,
      ["g.yaml:5:25: error: the environment has no NOPE"],
    ],
    ...["https", "http"].map((key): [string, string, string[]] => [
      `the PROXY protocol of nobody, over ${key}`,
      `${base}listen: { ${key}: { proxyProtocol: true } }\n`,
      [
        `g.yaml:5:${key === "https" ? 35 : 34}: error: nobody's header of the PROXY protocol is believed: name the proxies in trustProxies`,
      ],
    ]),
    [
      "an upstream that is none",
      base.replace('match: "*"', 'match: "*", to: b'),
      ["g.yaml:4:28: error: no upstream is named b"],
    ],
    [
      "a path to a gRPC upstream",
      base.replace('match: "*"', "match: GET /x, to: a"),
      ["g.yaml:4:31: error: a: a plain path needs an http:// upstream"],
    ],
    [
      "a limit that is none",
      base.replace('match: "*"', 'match: "*", limit: [x]'),
      ["g.yaml:4:32: error: no limit is named x"],
    ],
    [
      "a limit twice",
      `${base.replace('match: "*"', 'match: "*", limit: [x, x]')}limits: { x: { key: peer.ip, rate: 1/s } }\n`,
      ["g.yaml:4:35: error: the limit x is named twice"],
    ],
    [
      "a limit by caller where anybody may call",
      `${base.replace('match: "*"', 'match: "*", limit: [x]')}limits: { x: { key: [peer.ip, caller.sub], rate: 1/s } }\n`,
      [
        "g.yaml:4:32: error: x counts by caller, but the route is public: say onMissing: share or skip, or count by peer.ip",
      ],
    ],
    [
      "a tier for nobody in particular",
      `${base}limits: { x: { key: peer.ip, rate: 1/s, tiers: [{ claim: plan, rate: 2/s }] } }\n`,
      ["g.yaml:5:49: error: limits.x.tiers[0]: either when, or claim and is"],
    ],
    [
      "a rate of nothing",
      `${base}limits: { x: { key: peer.ip, rate: 0/s } }\n`,
      ["g.yaml:5:36: error: limits.x.rate: expected a rate such as 100/s or 1000/min"],
    ],
    [
      "auth without a provider",
      base.replace('match: "*"', 'match: "*", auth: {}'),
      ["g.yaml:4:30: error: auth needs a provider: none is configured under auth"],
    ],
    [
      "public and auth",
      base.replace('match: "*"', 'match: "*", public: true, auth: {}'),
      [
        "g.yaml:4:32: error: a route is either public or has auth",
        "g.yaml:4:44: error: auth needs a provider: none is configured under auth",
      ],
    ],
    [
      "two routes for the same",
      base.replace('[{ match: "*" }]', '[{ match: "*" }, { match: "*" }]'),
      ["g.yaml:4:35: error: * is matched twice: routes[0] comes first"],
    ],
    [
      "credentials for any origin",
      `${base}defaults: { cors: { origins: ["*"], credentials: true } }\n`,
      ["g.yaml:5:19: error: defaults.cors: credentials are never allowed for any origin: name the origins"],
    ],
    [
      "an admin for everybody",
      `${base}admin: { host: 0.0.0.0 }\n`,
      ["g.yaml:5:16: error: admin.host: an address that others can reach needs admin.auth"],
    ],
    [
      "several at once",
      `${base}a: 1\nb: 2\n`,
      ["g.yaml:5:1: error: a: no such key", "g.yaml:6:1: error: b: no such key"],
    ],
  ];
  test.each(cases)("%s", (_name, text, expected) => {
    expect(problems(text)).toEqual(expected);
  });

  test("what a reference stands for is never told", () => {
    const text = `${base}listen: { https: { port: "\${env:SECRET}" } }\n`;
    expect(problems(text, { SECRET: "hunter2" }).join()).not.toContain("hunter2");
    expect(problems(text, { SECRET: "hunter2" })).toHaveLength(1);
  });

  test("with a provider, a plain path must say who may call", () => {
    const text = `version: 1
schema: [{ proto: . }]
upstreams: { a: "grpc://h:1", w: "http://h:2" }
auth: { issuers: { main: { issuer: i, jwks: keys.json, audiences: [x] } } }
routes: [{ match: "*", to: a, auth: {} }, { match: GET /x, to: w }]
`;
    expect(problems(text)).toEqual([
      "g.yaml:5:43: error: with auth configured, a path must have auth or say public: true",
    ]);
  });
});

describe("which route a method has", () => {
  const { routes } = config(`version: 1
schema: [{ proto: . }]
upstreams: { a: "grpc://h:1", w: "http://h:2" }
routes:
  - { match: "*", to: a, timeout: 1s }
  - { match: "p.v1.*", to: a, timeout: 2s }
  - { match: p.v1.S/*, to: a, timeout: 3s }
  - { match: p.v1.S/M, to: a, timeout: 4s }
  - { match: GET /**, to: w, timeout: 5s }
`);
  test.each([
    ["p.v1.S/M", 4000],
    ["p.v1.S/N", 3000],
    ["p.v1.T/M", 2000],
    ["p.v1.sub.T/M", 2000],
    ["q.S/M", 1000],
    ["p.v1/S", 1000],
  ])("%s", (method, timeoutMs) => {
    expect(routeOfMethod(routes, method)?.timeoutMs).toBe(timeoutMs);
  });
});

test("gateway.schema.json is up to date: npm run config:schema", () => {
  const file = path.resolve(import.meta.dirname, "../../gateway.schema.json");
  expect(JSON.parse(readFileSync(file, "utf8"))).toEqual(JSON.parse(JSON.stringify(configJsonSchema())));
});
