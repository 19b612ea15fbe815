import http from "node:http";
import http2 from "node:http2";
import type { AddressInfo } from "node:net";
import path from "node:path";
import tls, { type ConnectionOptions, type TLSSocket } from "node:tls";
import type { MetadataValue } from "@grpc/grpc-js";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { type TestGateway, testGateway } from "../../support/gateway.ts";
import { connectHttp2 } from "../../support/http2-client.ts";
import { startRawServer, unary } from "../../support/raw-server.ts";
import { type TempFolder, tempFolder } from "../../support/temp-folder.ts";
import { until } from "../../support/until.ts";
import { type Authority, authority, type Identity } from "../../upstream/support/certificates.ts";

const nothing = { "t.proto": 'syntax = "proto3";\npackage t.v1;\n' };

let servers: Authority;
let clients: Authority;
let others: Authority;
let ann: Identity;
let bob: Identity;
let stranger: Identity;
let files: TempFolder;
/** Shows what it hears of the client's certificate. */
let upstream: http.Server;

beforeAll(async () => {
  [servers, clients, others] = await Promise.all([authority(), authority(), authority()]);
  [ann, bob, stranger] = await Promise.all([
    clients.issue("ann.test"),
    clients.issue("bob.test"),
    others.issue("ann.test"),
  ]);
  files = await tempFolder();
  for (const host of ["first.test", "shop.test"]) {
    const { cert, key } = await servers.issue(host);
    await files.write(`${host}.key`, key);
    await files.write(`${host}.pem`, cert);
  }
  await files.write("clients.pem", clients.cert);
  upstream = http.createServer((request, response) => {
    response.end(String(request.headers["x-forwarded-client-cert"]));
  });
  await new Promise<void>((resolve) => upstream.listen(0, "127.0.0.1", resolve));
});

afterAll(async () => {
  upstream.closeAllConnections();
  await new Promise((resolve) => upstream.close(resolve));
  await files[Symbol.asyncDispose]();
});

function gatewayWith(
  clientCert: object | undefined,
  more: object = {},
  { protos = nothing, upstreams = {} }: { protos?: Record<string, string>; upstreams?: object } = {},
): Promise<TestGateway> {
  const at = (name: string) => path.join(files.dir, name);
  const certificates = ["first.test", "shop.test"].map((host) => ({
    for: host,
    cert: at(`${host}.pem`),
    key: at(`${host}.key`),
  }));
  return testGateway(protos, {
    listen: {
      https: {
        tls: {
          certificates,
          ...more,
          ...(clientCert === undefined ? {} : { clientCert: { ca: at("clients.pem"), ...clientCert } }),
        },
      },
    },
    upstreams: { pages: `http://127.0.0.1:${(upstream.address() as AddressInfo).port}`, ...upstreams },
    routes: [
      { match: "GET /**", to: "pages", public: true },
      ...Object.keys(upstreams).map((to) => ({ match: "*", to, public: true })),
    ],
  });
}

interface Asking extends ConnectionOptions {
  readonly forged?: string;
  readonly http1?: boolean;
}

/** What the upstream has heard of a client; "refused" where the connection ended instead. */
async function heard(at: TestGateway, { forged, http1, ...options }: Asking = {}): Promise<string> {
  const said = forged === undefined ? {} : { "x-forwarded-client-cert": forged };
  const socket = tls.connect({
    port: at.gateway.httpsPort,
    host: "127.0.0.1",
    servername: "shop.test",
    ca: servers.cert,
    ALPNProtocols: [http1 === true ? "http/1.1" : "h2"],
    ...options,
  });
  try {
    return await (http1 === true ? overHttp1(socket, said) : overHttp2(socket, said));
  } finally {
    socket.destroy();
  }
}

function overHttp2(socket: TLSSocket, said: Record<string, string>): Promise<string> {
  return new Promise((resolve) => {
    const end = () => resolve("refused");
    const session = http2.connect("https://shop.test", { createConnection: () => socket });
    session.on("error", end).on("close", end);
    const request = session.request({ ":path": "/", ...said }).setEncoding("utf8");
    let text = "";
    request.on("data", (chunk) => {
      text += chunk;
    });
    request.on("error", end).on("end", () => {
      resolve(text === "" ? "refused" : text);
      session.destroy();
    });
  });
}

async function overHttp1(socket: TLSSocket, said: Record<string, string>): Promise<string> {
  const fields = Object.entries(said).map(([name, value]) => `${name}: ${value}\r\n`);
  socket.write(`GET / HTTP/1.1\r\nhost: shop.test\r\n${fields.join("")}connection: close\r\n\r\n`);
  let text = "";
  try {
    for await (const chunk of socket) text += chunk;
  } catch {
    return "refused";
  }
  return text === "" ? "refused" : (text.split("\r\n\r\n")[1] ?? "");
}

const metric = async (at: TestGateway, line: RegExp): Promise<number> => {
  const text = await (await fetch(`${at.admin}/metrics`)).text();
  return Number(line.exec(text)?.[1] ?? 0);
};
const badCertificates = /dragoman_tls_handshake_failures_total\{why="client_certificate"\} (\d+)/;

describe.each(["optional", "require"] as const)("mode %s", (mode) => {
  let at: TestGateway;
  beforeAll(async () => {
    at = await gatewayWith({ mode, forward: true });
  });
  afterAll(() => at[Symbol.asyncDispose]());

  test.each([false, true])("a client is known by its certificate (http/1.1: %s)", async (http1) => {
    expect(await heard(at, { ...ann, http1 })).toMatch(
      /^Hash=[\da-f]{64};Subject="CN=ann\.test";DNS="ann\.test"$/,
    );
    expect(await heard(at, { ...bob, http1, forged: "Hash=00" })).toMatch(/^[^,]*CN=bob\.test[^,]*$/);
  });

  test.each([false, true])("one without is nobody, or is not served (http/1.1: %s)", async (http1) => {
    const said = await heard(at, { http1, forged: 'Hash=00;Subject="CN=ann.test"' });
    expect(said).toBe(mode === "optional" ? "undefined" : "refused");
  });

  test.each([false, true])(
    "a certificate of somebody else's ends the connection (http/1.1: %s)",
    async (http1) => {
      const before = await metric(at, badCertificates);
      expect(await heard(at, { ...stranger, http1 })).toBe("refused");
      // By whichever name: each has a context of its own.
      expect(
        await heard(at, { ...stranger, http1, servername: "first.test", rejectUnauthorized: false }),
      ).toBe("refused");
      await until("both are counted", async () => (await metric(at, badCertificates)) >= before + 2);
    },
  );

  test.each(["TLSv1.2", "TLSv1.3"] as const)(
    "a session that is taken up again keeps who it is of: %s",
    async (version) => {
      const session = async (who: object): Promise<Buffer> => {
        const socket = tls.connect({
          port: at.gateway.httpsPort,
          host: "127.0.0.1",
          servername: "shop.test",
          ca: servers.cert,
          ALPNProtocols: ["http/1.1"],
          maxVersion: version,
          ...who,
        });
        const [ticket] = await new Promise<[Buffer]>((resolve, reject) => {
          socket.once("session", (value: Buffer) => resolve([value]));
          socket.once("error", reject);
          socket.once("secureConnect", () => socket.write("GET / HTTP/1.1\r\nhost: shop.test\r\n\r\n"));
        });
        socket.destroy();
        return ticket;
      };
      const [ofAnn, ofBob] = [await session(ann), await session(bob)];
      // Without a certificate of their own: they are known by the handshake that the session began with, or not served.
      for (const [ticket, name] of [
        [ofAnn, "CN=ann.test"],
        [ofBob, "CN=bob.test"],
      ] as const) {
        const said = await heard(at, { session: ticket, http1: true, maxVersion: version });
        expect(said).toContain(name);
      }
      if (mode === "optional") {
        const ofNobody = await session({});
        expect(await heard(at, { session: ofNobody, http1: true, maxVersion: version })).toBe("undefined");
      }
    },
  );
});

test("a gRPC upstream is told of the certificate too, and of nothing that a client says in its place", async () => {
  const told: MetadataValue[][] = [];
  await using server = await startRawServer("t.v1.Echo", {
    Say: unary((request, call) => {
      told.push(call.metadata.get("x-forwarded-client-cert"));
      return request;
    }),
  });
  const protos = {
    "t.proto": 'syntax = "proto3";\npackage t.v1;\nmessage M {}\nservice Echo { rpc Say(M) returns (M); }\n',
  };
  const upstreams = { echo: `grpc://${server.address}` };
  await using at = await gatewayWith({ mode: "optional", forward: true }, {}, { protos, upstreams });
  for (const who of [ann, {}]) {
    const options = { ca: servers.cert, servername: "shop.test", ...who };
    using client = connectHttp2(`https://127.0.0.1:${at.gateway.httpsPort}`, options);
    const headers = { ":authority": "shop.test", "x-forwarded-client-cert": 'Hash=00;Subject="CN=root"' };
    const { status } = await client.request({ method: "POST", path: "/t.v1.Echo/Say", headers, body: "{}" });
    expect(status).toBe(200);
  }
  expect(told).toEqual([[expect.stringMatching(/^Hash=[\da-f]{64};Subject="CN=ann\.test";[^,]*$/)], []]);
});

test.each(["TLSv1.2", "TLSv1.3"] as const)(
  "nobody is known by a certificate that has ended since, or has not begun: %s",
  async (maxVersion) => {
    await using at = await gatewayWith({ mode: "optional", forward: true });
    // OpenSSL looks at them in a handshake alone, which sessions that are taken up again do without.
    for (const days of [2, -2]) {
      vi.useFakeTimers({ toFake: ["Date"], now: Date.now() + days * 86_400_000 });
      try {
        expect(await heard(at, { ...ann, maxVersion })).toBe("refused");
      } finally {
        vi.useRealTimers();
      }
    }
    expect(await heard(at, { ...ann, maxVersion })).toContain("CN=ann.test");
  },
);

test("nobody is asked where nothing is configured, and upstreams hear nothing where it is not said", async () => {
  await using silent = await gatewayWith({ mode: "optional" });
  expect(await heard(silent, { ...ann, forged: "Hash=00" })).toBe("undefined");
  await using none = await gatewayWith({ mode: "none", forward: true });
  expect(await heard(none, { ...stranger, forged: "Hash=00" })).toBe("undefined");
});

test("other roots are taken live, and sessions of those who are trusted no more are not taken up again", async () => {
  await using at = await gatewayWith({ mode: "require", forward: true });
  expect(await heard(at, ann)).toContain("CN=ann.test");
  const socket = tls.connect({
    port: at.gateway.httpsPort,
    servername: "shop.test",
    ca: servers.cert,
    ALPNProtocols: ["http/1.1"],
    ...ann,
  });
  const ticket = await new Promise<Buffer>((resolve) => {
    socket.once("session", resolve);
    socket.once("secureConnect", () => socket.write("GET / HTTP/1.1\r\nhost: shop.test\r\n\r\n"));
  });
  const refused = /dragoman_certificate_reloads_total\{outcome="refused"\} (\d+)/;
  await files.write("clients.pem", "-----BEGIN nonsense");
  await until("a broken file is seen", async () => (await metric(at, refused)) > 0);
  expect(await heard(at, ann)).toContain("CN=ann.test");
  await files.write("clients.pem", others.cert);
  await until("the new roots hold", async () => (await heard(at, stranger)).includes("CN=ann.test"));
  expect(await heard(at, ann)).toBe("refused");
  expect(await heard(at, { session: ticket, http1: true })).toBe("refused");
  socket.destroy();
  await files.write("clients.pem", clients.cert);
}, 30_000);

test("ciphers are those that are configured, by whichever name", async () => {
  await using at = await gatewayWith(undefined, { ciphers: ["ECDHE-ECDSA-AES256-GCM-SHA384"] });
  for (const servername of ["first.test", "shop.test"]) {
    const cipher = (ciphers: string) =>
      new Promise<string>((resolve) => {
        const socket = tls.connect({
          port: at.gateway.httpsPort,
          servername,
          ca: servers.cert,
          maxVersion: "TLSv1.2",
          ciphers,
        });
        socket.once("secureConnect", () => {
          resolve(socket.getCipher().name);
          socket.destroy();
        });
        socket.once("error", () => resolve("refused"));
      });
    expect(await cipher("ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-ECDSA-AES256-GCM-SHA384")).toBe(
      "ECDHE-ECDSA-AES256-GCM-SHA384",
    );
    expect(await cipher("ECDHE-ECDSA-AES128-GCM-SHA256")).toBe("refused");
  }
});

test("a cipher that nobody knows is an error at the start", async () => {
  await expect(gatewayWith(undefined, { ciphers: ["ROT13"] })).rejects.toThrow(
    "no cipher suite is known as ROT13",
  );
});

test("metrics tell when certificates end", async () => {
  await using at = await gatewayWith(undefined);
  const ends = await metric(at, /dragoman_certificate_not_after_seconds\{for="shop.test"\} ([\d.e+]+)/);
  expect(ends).toBeGreaterThan(Date.now() / 1000);
  expect(ends).toBeLessThan(Date.now() / 1000 + 2 * 86_400);
});
