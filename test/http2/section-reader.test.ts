import { expect, test } from "vitest";
import type { FieldSection } from "../../src/http2/field-section.ts";
import { newEntry } from "../../src/http2/hpack/entry.ts";
import { HpackDecoder } from "../../src/http2/hpack/index.ts";
import { SectionReader } from "../../src/http2/section-reader.ts";

const method = newEntry(":method", "GET");
const scheme = newEntry(":scheme", "https");
const authority = newEntry(":authority", "a.test");
const accept = newEntry("accept", "*/*");
const path = (value: string) => newEntry(":path", value);

const limits = { bytes: 400, count: 10 };

function reading(): (...entries: readonly ReturnType<typeof path>[]) => FieldSection {
  const reader = new SectionReader(limits);
  return (...entries) => {
    reader.begin("request");
    for (const entry of entries) reader.add(entry);
    return reader.finish();
  };
}

test("the very same fields are the same section", () => {
  const read = reading();
  const slash = path("/");
  const first = read(method, scheme, authority, slash, accept);
  expect(first).toMatchObject({ repeated: false, fields: ["accept", "*/*"] });
  expect(read(method, scheme, authority, slash, accept)).toBe(first);
  expect(first.repeated).toBe(true);
});

test("those that differ in their path alone share the list of their fields, and no more", () => {
  const read = reading();
  const first = read(method, scheme, authority, path("/a"), accept);
  const second = read(method, scheme, authority, path("/b?c"), accept);
  expect(second).not.toBe(first);
  expect(second.fields).toBe(first.fields);
  expect([first.path, second.path]).toEqual(["/a", "/b?c"]);
  expect(second).toMatchObject({ method: "GET", scheme: "https", authority: "a.test", repeated: true });
});

test.each([
  ["another value", [method, scheme, authority, path("/"), newEntry("accept", "text/html")]],
  ["one more", [method, scheme, authority, path("/"), accept, accept]],
  ["one less", [method, scheme, authority, path("/")]],
  ["another authority", [method, scheme, newEntry(":authority", "b.test"), path("/"), accept]],
  ["another method", [newEntry(":method", "HEAD"), scheme, authority, path("/"), accept]],
  ["an equal field that came anew", [method, scheme, authority, path("/"), newEntry("accept", "*/*")]],
])("is no repetition: %s", (_name, entries) => {
  const read = reading();
  const first = read(method, scheme, authority, path("/"), accept);
  const other = read(...entries);
  expect(other.repeated).toBe(false);
  expect(other.fields).not.toBe(first.fields);
});

test.each([
  ["a path that is none", path("x"), { malformed: "a :path that is none" }],
  ["a path without a character", path(""), { malformed: "no :path" }],
  [
    "a path that makes the section too large",
    path(`/${"x".repeat(400)}`),
    { tooLarge: false, path: `/${"x".repeat(400)}` },
  ],
  ["a path with a control character", path("/\n"), { malformed: "a field that is not valid" }],
])("is judged anew: %s", (_name, entry, expected) => {
  const read = reading();
  read(method, scheme, authority, path("/"), accept);
  const fresh = reading()(method, scheme, authority, entry, accept);
  const again = read(method, scheme, authority, entry, accept);
  expect(again).toMatchObject({ malformed: fresh.malformed, tooLarge: fresh.tooLarge, repeated: false });
  if ("malformed" in expected) expect(again.malformed).toBe(expected.malformed);
});

test("a malformed section is never handed out again", () => {
  const read = reading();
  const bad = newEntry("connection", "close");
  expect(read(method, scheme, authority, path("/"), bad).malformed).toBe("connection in HTTP/2");
  expect(read(method, scheme, authority, path("/"), bad)).toMatchObject({
    malformed: "connection in HTTP/2",
    repeated: false,
  });
});

test("more fields than are remembered are read as they come", () => {
  const reader = new SectionReader({ bytes: 10_000, count: 1000 });
  reader.begin("trailers");
  for (let i = 0; i < 100; i++) reader.add(newEntry(`x-${i}`, "y"));
  expect(reader.finish()).toMatchObject({ malformed: undefined, repeated: false });
});

test("a literal that comes again and again is decoded once, whatever comes between, and others that look like it are not it", () => {
  const decoder = new HpackDecoder(4096);
  const literal = (name: string, value: string): Buffer =>
    Buffer.concat([
      Buffer.from([0x10, name.length]),
      Buffer.from(name),
      Buffer.from([value.length]),
      Buffer.from(value),
    ]);
  const decode = (block: Buffer) => {
    const entries: ReturnType<typeof newEntry>[] = [];
    decoder.decode(block, 0, block.length, { add: (entry) => entries.push(entry) });
    expect(entries).toHaveLength(1);
    return entries[0];
  };
  const token = `Bearer ${"abcdefgh".repeat(10)}`;
  const block = literal("authorization", token);
  const [, , third, fourth] = [1, 2, 3, 4].map(() => decode(block));
  expect(third).toMatchObject({ name: "authorization", value: token });
  expect(fourth).toBe(third);
  for (let at = 0; at < token.length; at++) {
    const other = `${token.slice(0, at)}!${token.slice(at + 1)}`;
    expect(decode(literal("authorization", other))?.value).toBe(other);
    expect(decode(literal("authorization", other))?.value).toBe(other);
    expect(decode(literal("authorizatioo", token))).toMatchObject({ name: "authorizatioo", value: token });
    expect(decode(block)?.value).toBe(token);
  }
});
