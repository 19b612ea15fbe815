import "reflect-metadata";
import { webcrypto, X509Certificate } from "node:crypto";
import * as x509 from "@peculiar/x509";
import { beforeAll, describe, expect, test } from "vitest";
import { CertificateNames, type CertificateOptions, subjectHeader } from "#filter/authn";
import { type Call, Code, type PeerCertificate } from "#rpc";
import { failure } from "../support/call.ts";
import { authenticator } from "./support/authenticate.ts";

const day = 24 * 3600 * 1000;
let pems: { readonly good: string; readonly over: string };

/** What is looked at of a certificate's text is its end. */
async function pem(notAfter: number): Promise<string> {
  x509.cryptoProvider.set(webcrypto);
  const algorithm = { name: "ECDSA", namedCurve: "P-256", hash: "SHA-256" };
  const keys = await webcrypto.subtle.generateKey(algorithm, true, ["sign", "verify"]);
  const made = await x509.X509CertificateGenerator.createSelfSigned({
    name: "CN=a",
    keys,
    signingAlgorithm: algorithm,
    notBefore: new Date(Date.now() - 2 * day),
    notAfter: new Date(notAfter),
  });
  return made.toString("pem");
}
beforeAll(async () => {
  pems = { good: await pem(Date.now() + day), over: await pem(Date.now() - day) };
});

const spiffe = "spiffe://shop.test/orders";
const certificate = (over: Partial<PeerCertificate> = {}): PeerCertificate => ({
  subject: "O=Shop\nCN=orders",
  subjectAltNames: [`URI:${spiffe}`, "DNS:Orders.shop.test", "email:ann@shop.test"],
  fingerprint256: "ab".repeat(32),
  pem: pems.good,
  ...over,
});

async function show(
  shown: PeerCertificate | undefined,
  over: Partial<CertificateOptions> = {},
  more: { readonly optional?: boolean; readonly header?: Readonly<Record<string, string>> } = {},
): Promise<Call> {
  const names = new CertificateNames({ name: "mesh", subject: "uri", names: [], scopes: ["call"], ...over });
  const peer = { address: "192.0.2.1", port: 1, ...(shown === undefined ? {} : { certificate: shown }) };
  await using at = authenticator("/nowhere", {
    context: { peer },
    filter: { issuers: [], certificates: [names], optional: more.optional === true },
  });
  return await at.authenticate(undefined, more.header);
}

test.each<[CertificateOptions["subject"], string]>([
  ["uri", spiffe],
  ["dns", "orders.shop.test"],
  ["email", "ann@shop.test"],
  ["cn", "orders"],
])("a certificate tells who calls by its %s", async (subject, expected) => {
  const { context, header } = await show(certificate(), { subject });
  expect(context.principal).toMatchObject({
    subject: expected,
    provider: "mesh",
    scopes: ["call"],
    claims: {
      uri: [spiffe],
      dns: ["orders.shop.test"],
      email: ["ann@shop.test"],
      cn: ["orders"],
      subject: "O=Shop\nCN=orders",
      fingerprint: "ab".repeat(32),
    },
    expiresAt: Date.parse(new X509Certificate(pems.good).validTo),
  });
  expect([...header]).toEqual([[subjectHeader, expected]]);
});

describe("which names count", () => {
  test.each<[string, readonly string[], boolean]>([
    ["the very name", [spiffe], true],
    ["what begins so", ["spiffe://shop.test/*"], true],
    ["what ends so", ["*/orders"], true],
    ["one of several", ["spiffe://a/*", "spiffe://shop.test/*"], true],
    ["another", ["spiffe://shop.test/carts"], false],
    ["a beginning of it", ["spiffe://shop.test/ord"], false],
    ["what begins otherwise", ["spiffe://shop.test.evil/*"], false],
    ["more than it", [`${spiffe}*`], false],
  ])("%s", async (_name, names, counts) => {
    const outcome = show(certificate(), { names });
    if (counts) expect(await outcome).toBeDefined();
    else expect(await failure(outcome)).toMatchObject({ reason: "credentials_invalid" });
  });
});

const refused = { code: Code.UNAUTHENTICATED, reason: "credentials_invalid" };

test.each<[string, Partial<PeerCertificate>, Partial<CertificateOptions>, object]>([
  ["without such a name", { subjectAltNames: ["DNS:a.test"] }, {}, refused],
  ["with two of them", { subjectAltNames: [`URI:${spiffe}`, "URI:spiffe://shop.test/admin"] }, {}, refused],
  ["whose name only looks so", { subjectAltNames: [`DNS:URI:${spiffe}`] }, {}, refused],
  ["with escapes in it", { subjectAltNames: ['URI:"spiffe://a, DNS:b"'] }, {}, refused],
  ["with two common names", { subject: "CN=a\nCN=b" }, { subject: "cn" }, refused],
  ["without common name", { subject: "O=CN=a" }, { subject: "cn" }, refused],
])("a certificate %s is nobody's", async (_name, over, options, expected) => {
  expect(await failure(show(certificate(over), options))).toMatchObject(expected);
  // It was shown to say who calls: that it says nobody is not the same as not to say it.
  expect(await failure(show(certificate(over), options, { optional: true }))).toMatchObject(expected);
});

test("a connection may outlive its certificate, and calls may not", async () => {
  expect(await failure(show(certificate({ pem: pems.over })))).toMatchObject({
    code: Code.UNAUTHENTICATED,
    reason: "credentials_expired",
  });
});

test("nobody shows a certificate", async () => {
  expect(await failure(show(undefined))).toMatchObject({
    reason: "credentials_missing",
    challenge: undefined,
  });
  expect((await show(undefined, {}, { optional: true })).context.principal).toBeUndefined();
});

test("credentials of the call count before those of the connection", async () => {
  const peer = { address: "192.0.2.1", port: 1, certificate: certificate() };
  const names = new CertificateNames({ name: "mesh", subject: "uri", names: [], scopes: [] });
  await using at = authenticator("/nowhere", { context: { peer }, filter: { certificates: [names] } });
  expect((await at.authenticate(undefined)).context.principal?.provider).toBe("mesh");
  expect(await failure(at.authenticate("a.b.c"))).toMatchObject(refused);
});
