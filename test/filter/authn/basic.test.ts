import { randomBytes, scryptSync } from "node:crypto";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import {
  type AuthnOptions,
  authnFilter,
  CredentialFileError,
  hashPassword,
  IdentityHeaders,
  KeyRing,
  parseUserFile,
  subjectHeader,
  TokenCache,
  UserList,
} from "#filter/authn";
import { type Call, Code } from "#rpc";
import { createLogger } from "#telemetry";
import { type TempFolder, tempFolder } from "../../support/temp-folder.ts";
import { until } from "../../support/until.ts";
import { failure, makeCall, unaryReply } from "../support/call.ts";

/** What is kept of a password, as cheap as may be. */
function kept(password: string): string {
  const salt = randomBytes(16);
  const hash = scryptSync(password.normalize("NFC"), salt, 32, { N: 2 ** 14, r: 8, p: 1 });
  const text = (bytes: Buffer): string => bytes.toString("base64").replace(/=+$/, "");
  return `$scrypt$ln=14,r=8,p=1$${text(salt)}$${text(hash)}`;
}
const cheap = kept("whatever");
const secret = kept("pässword: 1");
let folder: TempFolder;
let list: UserList;
let log: string[];

const users = (more: Readonly<Record<string, unknown>> = {}): string =>
  JSON.stringify({
    users: {
      ann: { password: secret, scopes: ["write"], claims: { tenant: "t1" } },
      bob: { password: cheap },
      ...more,
    },
  });

beforeEach(async () => {
  folder = await tempFolder({ "users.json": users() });
  log = [];
  list = new UserList(
    { name: "desk", file: `${folder.dir}/users.json`, realm: "shop", insecure: false },
    createLogger({ write: (line) => log.push(line) }),
  );
});
afterEach(async () => {
  list.close();
  await folder[Symbol.asyncDispose]();
});

const basic = (text: string): string => `Basic ${Buffer.from(text).toString("base64")}`;
const right = basic("ann:pässword: 1");
const challenge = 'Basic realm="shop", charset="UTF-8"';

function filterOf(over: Partial<AuthnOptions> = {}) {
  let passed: Call | undefined;
  const handle = authnFilter({
    issuers: [],
    introspectors: [],
    keyRings: [],
    userLists: [list],
    logins: [],
    certificates: [],
    keyHeaders: [],
    cache: new TokenCache(),
    identity: new IdentityHeaders(),
    optional: false,
    forwardCredentials: false,
    allowsOrigin: () => false,
    ...over,
  })(async (call) => {
    passed = call;
    return unaryReply();
  });
  return async (authorization: string | undefined, secure = true, header = {}): Promise<Call> => {
    passed = undefined;
    const credentials = authorization === undefined ? {} : { authorization };
    await handle(makeCall({ header: { ...credentials, ...header }, context: { secure } }));
    if (passed === undefined) throw new Error("the call did not come through");
    return passed;
  };
}

test("a password tells who calls, and ends at the gateway", async () => {
  const show = filterOf();
  for (const text of [right, right.replace("Basic", "bAsIc  "), basic("ann:pa\u0308ssword: 1")]) {
    const { header, context } = await show(text);
    expect(context.principal).toMatchObject({
      subject: "ann",
      provider: "desk",
      scopes: ["write"],
      claims: { tenant: "t1" },
    });
    expect([...header]).toEqual([[subjectHeader, "ann"]]);
  }
});

test.each<[string, string | undefined, string]>([
  ["none", undefined, "credentials_missing"],
  ["another scheme", "Bearer abc", "credentials_missing"],
  ["a wrong password", basic("ann:pässword"), "credentials_invalid"],
  ["another's password", basic("bob:pässword: 1"), "credentials_invalid"],
  ["a name that nobody has", basic("eve:pässword: 1"), "credentials_invalid"],
  ["a name of the language", basic("__proto__:x"), "credentials_invalid"],
  ["what is kept of the password", basic(`ann:${cheap}`), "credentials_invalid"],
  ["no password", basic("ann:"), "credentials_invalid"],
  ["no name", basic(":x"), "credentials_invalid"],
  ["no colon", basic("ann"), "credentials_invalid"],
  ["nothing", "Basic", "credentials_invalid"],
  ["no base64", "Basic a*b=", "credentials_invalid"],
  ["base64 with blanks", "Basic YW5u Om==", "credentials_invalid"],
  ["no UTF-8", `Basic ${Buffer.from("ann:\xff", "latin1").toString("base64")}`, "credentials_invalid"],
  ["control characters", basic("ann:pass\0word"), "credentials_invalid"],
  ["a huge password", basic(`ann:${"x".repeat(2000)}`), "credentials_invalid"],
])("refused: %s", async (_name, authorization, reason) => {
  const error = await failure(filterOf()(authorization));
  expect(error).toMatchObject({ code: Code.UNAUTHENTICATED, reason, challenge });
  expect(String(error)).not.toMatch(/nobody|unknown|user ann/);
});

test("over plain HTTP a password is neither asked for nor looked at, but where that is allowed", async () => {
  for (const authorization of [right, undefined]) {
    const error = await failure(filterOf()(authorization, false));
    expect(error).toMatchObject({ code: Code.UNAUTHENTICATED, challenge: undefined });
  }
  list.close();
  list = new UserList({ ...list.options, insecure: true }, createLogger({ write: () => {} }));
  expect(await filterOf()(right, false)).toBeDefined();
});

test("where nobody must say who he is, a wrong password is refused all the same", async () => {
  const show = filterOf({ optional: true });
  expect((await show(undefined)).context.principal).toBeUndefined();
  expect(await failure(show(basic("ann:x")))).toMatchObject({ reason: "credentials_invalid" });
});

test("a password beside an API key is refused, even when both are good", async () => {
  const hash = "2c70e12b7a0646f92279f427c7b38e7334d8e5389cff167a1dc30e73f826b683"; // of "key"
  await folder.write("keys.json", JSON.stringify({ consumers: { acme: { keys: [{ sha256: hash }] } } }));
  const ring = new KeyRing(
    { name: "partners", header: "x-api-key", file: `${folder.dir}/keys.json` },
    createLogger({ write: () => {} }),
  );
  const show = filterOf({ keyRings: [ring] });
  expect((await show(undefined, true, { "x-api-key": "key" })).context.principal?.subject).toBe("acme");
  expect(await failure(show(right, true, { "x-api-key": "key" }))).toMatchObject({
    reason: "credentials_invalid",
    challenge: `ApiKey header="x-api-key", ${challenge}`,
    message: expect.stringMatching(/more than one/),
  });
  ring.close();
});

describe("what is computed", () => {
  const known = (text: string, now = Date.now()) => {
    const [user = "", password = ""] = text.split(/:(.*)/s);
    return list.known({ user, password }, now);
  };

  test("a password that was right is remembered for a minute; a wrong one never", async () => {
    const show = filterOf();
    await show(right);
    expect(known("ann:pässword: 1")?.subject).toBe("ann");
    expect(known("ann:pässword: 1", Date.now() + 60_000)).toBeUndefined();
    await failure(show(basic("ann:x")));
    expect(known("ann:x")).toBeUndefined();
  });

  test("for a name that nobody has, as much as for anybody", async () => {
    const startedAt = process.cpuUsage();
    await list.check({ user: "eve", password: "x" });
    const eve = process.cpuUsage(startedAt);
    // Microseconds for 16 MiB of work, which no machine does in less than some milliseconds.
    expect(eve.user + eve.system).toBeGreaterThan(5_000);
  });

  test("too many at once are turned away, and the others are not", async () => {
    const outcomes = await Promise.allSettled(
      Array.from({ length: 60 }, (_, index) => list.check({ user: "bob", password: `x${index}` })),
    );
    const turnedAway = outcomes.filter(({ status }) => status === "rejected");
    expect(turnedAway).toHaveLength(8);
    for (const outcome of turnedAway)
      expect(outcome.status === "rejected" && outcome.reason).toMatchObject({
        code: Code.UNAVAILABLE,
        reason: "overloaded",
      });
  });

  test("one password at once is computed once", () => {
    const credentials = { user: "ann", password: "pässword: 1" };
    expect(list.check(credentials)).toBe(list.check(credentials));
  });
});

test("the file is swapped live; what was remembered is forgotten, and a fault changes nothing", async () => {
  const show = filterOf();
  await show(right);
  await folder.write("users.json", '{"users":{"ann":{"password":"pässword: 1"}}}');
  await until("the fault is logged", () => log.some((line) => line.includes("cannot be used")));
  expect(log.join()).not.toContain("pässword");
  expect(await show(right)).toBeDefined();
  await folder.write("users.json", users({ ann: { password: cheap } }));
  await until("the users are loaded", () => log.some((line) => line.includes("users were loaded")));
  expect(await failure(show(right))).toMatchObject({ reason: "credentials_invalid" });
});

describe("a file of users", () => {
  const hash = (over: string): string => cheap.replace(/ln=14,r=8,p=1/, over);
  test.each<[string, string, RegExp]>([
    ["a password as it is", "secret", /dragoman hash-password/],
    ["another function", "$2b$12$abc", /dragoman hash-password/],
    ["one that is too cheap", hash("ln=10,r=8,p=1"), /dragoman hash-password/],
    ["one that takes too much memory", hash("ln=20,r=8,p=1"), /dragoman hash-password/],
    ["one that takes too long", hash("ln=15,r=8,p=99"), /dragoman hash-password/],
    ["one that is no work", hash("ln=14,r=8,p=0"), /dragoman hash-password/],
    ["a short salt", cheap.replace(/(p=1\$)[^$]+/, "$1YWFh"), /dragoman hash-password/],
    ["a short hash", cheap.slice(0, -10), /dragoman hash-password/],
  ])("%s", (_name, password, message) => {
    const read = () => parseUserFile(JSON.stringify({ users: { ann: { password } } }));
    expect(read).toThrow(CredentialFileError);
    expect(read).toThrow(message);
    expect(read).not.toThrow(password);
  });

  test("names that no client can send", () => {
    expect(() => parseUserFile(JSON.stringify({ users: { "a:b": { password: cheap } } }))).toThrow(/colon/);
  });
});

test("what is kept of a password is in the documented form, and good for it", async () => {
  const made = await hashPassword("pässword: 1");
  expect(made).not.toBe(await hashPassword("pässword: 1"));
  await folder.write("users.json", JSON.stringify({ users: { ann: { password: made } } }));
  await until("the users are loaded", () => log.some((line) => line.includes("users were loaded")));
  expect(await filterOf()(right)).toBeDefined();
  expect(made).toMatch(/^\$scrypt\$ln=15,r=8,p=3\$[A-Za-z0-9+/]{22}\$[A-Za-z0-9+/]{43}$/);
  await expect(hashPassword("")).rejects.toThrow(RangeError);
  await expect(hashPassword("a\nb")).rejects.toThrow(RangeError);
});
