import { createPrivateKey, X509Certificate } from "node:crypto";
import { readFileSync, statSync } from "node:fs";
import path from "node:path";
import tls, { type ConnectionOptions, type TLSSocket } from "node:tls";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { devCertificate } from "../../src/frontend/tls/dev-ca.ts";
import { type TestGateway, testGateway } from "../support/gateway.ts";
import { connectHttp2 } from "../support/http2-client.ts";
import { exchangeRaw } from "../support/raw-socket.ts";
import { type TempFolder, tempFolder } from "../support/temp-folder.ts";
import { until } from "../support/until.ts";
import { type Authority, authority } from "../upstream/support/certificates.ts";

const nothing = { "t.proto": 'syntax = "proto3";\npackage t.v1;\n' };
/** A gateway needs a route, which nobody asks for here. */
const unused = {
  upstreams: { pages: "http://127.0.0.1:9" },
  routes: [{ match: "GET /pages/**", public: true }],
};

/** A handshake with a gateway: what came of it, or the code of the error that it ended with. */
function shake(at: TestGateway, options: ConnectionOptions): Promise<TLSSocket | string> {
  return new Promise((resolve) => {
    const socket = tls.connect({ port: at.gateway.httpsPort, host: "127.0.0.1", ...options });
    socket.once("secureConnect", () => resolve(socket));
    socket.once("error", (error: NodeJS.ErrnoException) => resolve(error.code ?? error.message));
    socket.once("close", () => resolve("closed"));
  });
}

/** What a successful handshake says of itself. */
async function agreed(at: TestGateway, options: ConnectionOptions) {
  const socket = await shake(at, options);
  if (typeof socket === "string") throw new Error(socket);
  const shown = socket.getPeerX509Certificate();
  const said = {
    alpn: socket.alpnProtocol,
    version: socket.getProtocol(),
    names: shown?.subjectAltName,
    print: shown?.fingerprint256,
    trusted: socket.authorized,
  };
  socket.destroy();
  return said;
}

describe("a certificate made on the first run", () => {
  let at: TestGateway;
  beforeAll(async () => {
    at = await testGateway(nothing, unused);
  });
  afterAll(() => at[Symbol.asyncDispose]());

  test.each(["localhost", "127.0.0.1"])("is trusted for %s by its CA", async (name) => {
    const servername = /^\d/.test(name) ? "" : name;
    const said = await agreed(at, {
      ca: at.ca,
      servername,
      checkServerIdentity: (_host, cert) => tls.checkServerIdentity(name, cert),
    });
    expect(said.trusted).toBe(true);
  });

  test("is trusted for nothing else, and by nobody else", async () => {
    expect(await shake(at, { ca: at.ca, servername: "shop.test" })).toBe("ERR_TLS_CERT_ALTNAME_INVALID");
    expect(await shake(at, { servername: "localhost" })).toMatch(
      /UNABLE_TO_VERIFY_LEAF_SIGNATURE|SELF_SIGNED/,
    );
  });

  test.each<[string, string[] | undefined, string | false]>([
    ["both", ["h2", "http/1.1"], "h2"],
    ["both, the other way round", ["http/1.1", "h2"], "h2"],
    ["HTTP/2", ["h2"], "h2"],
    ["http/1.1", ["http/1.1"], "http/1.1"],
    ["something else besides", ["spdy/3", "http/1.1"], "http/1.1"],
    ["nothing", undefined, false],
  ])("ALPN: %s", async (_name, offered, chosen) => {
    const said = await agreed(at, {
      ca: at.ca,
      servername: "localhost",
      ...(offered === undefined ? {} : { ALPNProtocols: offered }),
    });
    expect(said.alpn).toBe(chosen);
  });

  test("ALPN: nothing that is served is an alert (RFC 7301 3.2)", async () => {
    const ended = await shake(at, { ca: at.ca, servername: "localhost", ALPNProtocols: ["spdy/3"] });
    expect(ended).toMatch(/NO_APPLICATION_PROTOCOL/);
  });

  test("without ALPN http/1.1 is spoken", async () => {
    const socket = await shake(at, { ca: at.ca, servername: "localhost" });
    if (typeof socket === "string") throw new Error(socket);
    socket.write("GET /nothing HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n");
    let text = "";
    for await (const chunk of socket) text += chunk;
    expect(text).toMatch(/^HTTP\/1\.1 404 /);
  });

  test.each([
    ["TLSv1.3", "TLSv1.3"],
    ["TLSv1.2", "TLSv1.2"],
    // Refused for what it is, and not for the ciphers that go with it.
    ["TLSv1.1", /PROTOCOL_VERSION/],
  ] as const)("%s", async (version, outcome) => {
    const result = await shake(at, {
      ca: at.ca,
      servername: "localhost",
      minVersion: version,
      maxVersion: version,
      ...(version === "TLSv1.1" ? { ciphers: "DEFAULT@SECLEVEL=0" } : {}),
    });
    expect(typeof result === "string" ? result : result.getProtocol()).toMatch(outcome);
    if (typeof result !== "string") result.destroy();
  });

  test("plain HTTP and garbage end that connection alone", async () => {
    for (const bytes of [
      "GET / HTTP/1.1\r\nhost: localhost\r\n\r\n",
      "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
      Buffer.alloc(600, 0x16),
    ]) {
      expect(await exchangeRaw(at.gateway.httpsPort, bytes)).not.toContain("HTTP/");
    }
    expect((await agreed(at, { ca: at.ca, servername: "localhost" })).trusted).toBe(true);
  });
});

describe("the files of that certificate", () => {
  test("are used again, and readable to their owner alone where they must be", async () => {
    await using state = await tempFolder();
    const first = await devCertificate(state.dir);
    const second = await devCertificate(state.dir);
    expect(second.cert.equals(first.cert)).toBe(true);
    expect(second.key.equals(first.key)).toBe(true);
    const mode = (name: string) => statSync(path.join(state.dir, "tls", name)).mode & 0o777;
    expect([mode("ca.key"), mode("localhost.key"), mode("ca.pem")]).toEqual([0o600, 0o600, 0o644]);
  });

  test("are made anew when they are broken or gone, under the same CA if that is whole", async () => {
    await using state = await tempFolder();
    const first = await devCertificate(state.dir);
    const ca = readFileSync(first.caPath);
    await state.write("tls/localhost.pem", "nonsense");
    const second = await devCertificate(state.dir);
    expect(second.cert.equals(first.cert)).toBe(false);
    expect(readFileSync(second.caPath).equals(ca)).toBe(true);
    expect(new X509Certificate(second.cert).verify(new X509Certificate(ca).publicKey)).toBe(true);
    await state.remove("tls/ca.key");
    await state.remove("tls/localhost.key");
    const third = await devCertificate(state.dir);
    const other = readFileSync(third.caPath);
    expect(other.equals(ca)).toBe(false);
    expect(new X509Certificate(third.cert).verify(new X509Certificate(other).publicKey)).toBe(true);
    expect(new X509Certificate(third.cert).checkPrivateKey(createPrivateKey(third.key))).toBe(true);
  });
});

describe("certificates of one's own", () => {
  let ca: Authority;
  let files: TempFolder;
  const names: readonly [string, string][] = [
    ["first", "first.test"],
    ["shop", "shop.test"],
    ["wild", "*.wild.test"],
  ];
  const write = async (file: string, host: string) => {
    const { cert, key } = await ca.issue(host);
    // The key first: whoever looks in between must not find a pair that does not match for good.
    await files.write(`${file}.key`, key);
    await files.write(`${file}.pem`, cert);
  };
  const listed = (more: Readonly<Record<string, unknown>> = {}) => ({
    ...unused,
    listen: {
      https: {
        tls: {
          certificates: names.map(([file, host]) => ({
            for: host,
            cert: path.join(files.dir, `${file}.pem`),
            key: path.join(files.dir, `${file}.key`),
          })),
          ...more,
        },
      },
    },
  });

  beforeAll(async () => {
    ca = await authority();
    files = await tempFolder();
    for (const [file, host] of names) await write(file, host);
  });
  afterAll(() => files[Symbol.asyncDispose]());

  test("each name gets its own; one that nobody knows gets the first", async () => {
    await using at = await testGateway(nothing, listed());
    const shown = async (servername: string) =>
      (await agreed(at, { ca: ca.cert, servername, rejectUnauthorized: false })).names;
    expect(await shown("shop.test")).toBe("DNS:shop.test");
    expect(await shown("SHOP.test")).toBe("DNS:shop.test");
    expect(await shown("a.wild.test")).toBe("DNS:*.wild.test");
    // A wildcard stands for one label (RFC 6125 6.4.3).
    expect(await shown("a.b.wild.test")).toBe("DNS:first.test");
    expect(await shown("wild.test")).toBe("DNS:first.test");
    expect(await shown("nobody.test")).toBe("DNS:first.test");
    expect(await shown("")).toBe("DNS:first.test");
    expect((await agreed(at, { ca: ca.cert, servername: "a.wild.test" })).trusted).toBe(true);
  });

  test("no version below 1.2 unless one is configured", async () => {
    await using at = await testGateway(nothing, listed());
    const options = { ca: ca.cert, servername: "shop.test", ciphers: "DEFAULT@SECLEVEL=0" };
    for (const [version, result] of [
      ["TLSv1.2", "TLSv1.2"],
      ["TLSv1.1", /PROTOCOL_VERSION/],
      ["TLSv1", /PROTOCOL_VERSION/],
    ] as const) {
      const said = await shake(at, { ...options, minVersion: version, maxVersion: version });
      expect(typeof said === "string" ? said : said.getProtocol()).toMatch(result);
      if (typeof said !== "string") said.destroy();
    }
  });

  test("no version below the one that is configured", async () => {
    await using at = await testGateway(nothing, listed({ min: "1.3" }));
    expect((await agreed(at, { ca: ca.cert, servername: "shop.test" })).version).toBe("TLSv1.3");
    expect(typeof (await shake(at, { ca: ca.cert, servername: "shop.test", maxVersion: "TLSv1.2" }))).toBe(
      "string",
    );
  });

  test("a new one is shown to new connections, a broken one to nobody, and open connections go on", async () => {
    await using at = await testGateway(nothing, listed());
    const options = { ca: ca.cert, servername: "shop.test" };
    const print = async () => (await agreed(at, options)).print;
    const before = await print();
    using client = connectHttp2(`https://127.0.0.1:${at.gateway.httpsPort}`, options);
    expect((await client.request({ path: "/nothing" })).status).toBe(404);
    await write("shop", "shop.test");
    await until("the new certificate is shown", async () => (await print()) !== before);
    const after = await print();
    // Clients that name no host, such as those who know an address alone, are no exception.
    const unnamed = { ca: ca.cert, servername: "", rejectUnauthorized: false };
    const old = (await agreed(at, unnamed)).print;
    await write("first", "first.test");
    await until(
      "the new one is shown to those who name no host",
      async () => (await agreed(at, unnamed)).print !== old,
    );
    const complaints = at.log.length;
    await files.write("shop.pem", "-----BEGIN nonsense");
    await until("the broken one is seen", () =>
      at.log.slice(complaints).some((line) => line.includes("the old one stays")),
    );
    expect(await print()).toBe(after);
    expect((await client.request({ path: "/nothing" })).status).toBe(404);
    expect(at.log.join()).not.toContain("PRIVATE KEY");
    const metrics = await (await fetch(`${at.admin}/metrics`)).text();
    expect(metrics).toMatch(/^dragoman_certificate_reloads_total\{outcome="ok"\} [1-9]/m);
    expect(metrics).toMatch(/^dragoman_certificate_reloads_total\{outcome="refused"\} [1-9]/m);
    await write("shop", "shop.test");
    await until("it is whole again", async () => (await print()) !== after);
    // Whichever file comes last completes the pair.
    const whole = await print();
    const { cert, key } = await ca.issue("shop.test");
    const refused = at.log.length;
    await files.write("shop.pem", cert);
    await until("the pair does not match", () =>
      at.log.slice(refused).some((line) => line.includes("the old one stays")),
    );
    await files.write("shop.key", key);
    await until("the key is seen", async () => (await print()) !== whole);
  }, 30_000);

  test("one that cannot be used is a clear error at the start", async () => {
    const { key } = await ca.issue("shop.test");
    await using bad = await tempFolder({ "no.pem": "nonsense" });
    await bad.write("a.pem", (await ca.issue("shop.test")).cert);
    await bad.write("a.key", key);
    const start = (cert: string, keyFile: string) =>
      testGateway(nothing, {
        ...unused,
        listen: {
          https: {
            tls: {
              certificates: [{ for: "a", cert: path.join(bad.dir, cert), key: path.join(bad.dir, keyFile) }],
            },
          },
        },
      });
    await expect(start("none.pem", "a.key")).rejects.toMatchObject({
      problems: [{ message: expect.stringContaining("none.pem cannot be read") }],
    });
    await expect(start("no.pem", "a.key")).rejects.toThrow(/no\.pem is not a certificate/);
    await expect(start("a.pem", "a.key")).rejects.toThrow(/a\.key is not the key of .*a\.pem/);
  });
});
