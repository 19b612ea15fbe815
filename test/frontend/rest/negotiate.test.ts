import { expect, test } from "vitest";
import { negotiate } from "../../../src/frontend/rest/negotiate.ts";

const json = "application/json";
const wire = "application/x-protobuf";
const ndjson = "application/x-ndjson";
const sse = "text/event-stream";
const offers = [json, wire, ndjson, sse];

test.each<[string | undefined, string | undefined]>([
  [undefined, json],
  ["", json],
  ["*/*", json],
  ["application/json", json],
  ["application/x-protobuf", wire],
  ["APPLICATION/X-Protobuf", wire],
  ["application/json; charset=utf-8", json],
  ["application/x-protobuf;messageType=a.B", wire],
  ["application/*", json],
  ["text/*", sse],
  ["text/html", undefined],
  ["image/*", undefined],
  ["text/html, */*;q=0.1", json],
  ["text/html,application/xhtml+xml,application/xml;q=0.9,image/webp,*/*;q=0.8", json],
  ["application/json;q=0.5, application/x-protobuf", wire],
  ["application/json;q=0.5, application/x-protobuf;q=0.4", json],
  ["application/x-protobuf, application/json", json],
  ["application/json;q=0", undefined],
  ["application/json;q=0, */*", wire],
  ["*/*, application/json;q=0, application/x-protobuf;q=0", ndjson],
  ["application/*;q=0, text/event-stream", sse],
  ["application/*;q=0.2, text/*;q=0.3", sse],
  ["*/*;q=0.5, application/json;q=0.1", wire],
  ["application/json;q=0.001", json],
  ["application/json;q=1.000", json],
  ["application/json; q = 0.5 , text/event-stream ; q=0.6", sse],
  ["application/json;q=0.5;level=1, text/event-stream;q=0.4", json],
  ["application/json;Q=0.1, text/event-stream;q=0.2", sse],
  // What is no quality is none: the range counts in full.
  ["application/json;q=2, text/event-stream;q=0.9", json],
  ["application/json;q=x, text/event-stream;q=0.9", json],
  // What is no range is passed over.
  ["json", json],
  ["json, text/event-stream", sse],
  [",,text/event-stream,,", sse],
  ["*/json", json],
  ["*/json, text/event-stream", sse],
  ["application/json+x", undefined],
])("%s", (accept, expected) => {
  expect(negotiate(accept, offers)).toBe(expected);
});
