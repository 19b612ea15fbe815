import { expect, test } from "vitest";
import { Metadata } from "#rpc";
import { RequestFields } from "../../../src/upstream/http2/fields.ts";

/** What is sent of metadata, of one name, to an upstream. */
function sent(...values: readonly string[]): readonly string[] {
  const header = new Metadata(values.flatMap((value) => ["x-a", value]));
  const signal = new AbortController().signal;
  const call = { path: "/t.T/Say", header, deadline: undefined, signal, previousAttempts: 0 };
  const fields = new RequestFields("http", "upstream.test").of(call);
  return fields.filter((_text, i) => i % 2 === 1 && fields[i - 1] === "x-a");
}

const long = "0123456789".repeat(5);

test.each([
  ["a word", "7f3c-22", "7f3c-22"],
  ["a long word", long, long],
  ["nothing", "", ""],
  ["several words", "a b", "a b"],
  ["spaces around it, which are none of the value", " a b ", "a b"],
])("sends %s", (_name, value, as) => {
  expect(sent(value, "last")).toEqual([as, "last"]);
});

test.each([
  ["a control character", "a\u0001"],
  ["a line's end", "a\r\nx-b: 1"],
  ["a character beyond ASCII", "\u00e4"],
  ["one of them in a long text", `${long}\n`],
  ["the delete character", "a\u007f"],
])("leaves out what has %s", (_name, value) => {
  expect(sent(value, "last")).toEqual(["last"]);
});
