import { describe, expect, test } from "vitest";
import { type Context, turnDate } from "#rpc";
import type { HeadMemo } from "../../src/frontend/exchange.ts";
import { callMetadata, requestDeadline, requestMetadata } from "../../src/frontend/request-metadata.ts";
import { makeCall } from "../filter/support/call.ts";
import { hopByHopNames } from "../support/hop-by-hop.ts";

describe("fields that become metadata", () => {
  test.each<[string, string[], string[]]>([
    [
      "any other, in its order, as often as it came",
      ["x-a", "1", "x-b", "2", "x-a", "3"],
      ["x-a", "1", "x-b", "2", "x-a", "3"],
    ],
    ...hopByHopNames.map((name): [string, string[], string[]] => [
      `not ${name}`,
      [name, "x", "x-a", "1"],
      ["x-a", "1"],
    ]),
    ["not what connection names", ["connection", "X-Own, close", "x-own", "1", "x-a", "1"], ["x-a", "1"]],
    [
      "not what a second connection names",
      ["connection", "close", "connection", "x-own,\tx-other", "x-own", "1", "x-other", "1", "x-a", "1"],
      ["x-a", "1"],
    ],
    [
      "in every spelling that gRPC knows",
      ["x_a.b-c9", "1", "cookie", "a=b", "user-agent", "u", "accept-language", "de"],
      ["x_a.b-c9", "1", "cookie", "a=b", "user-agent", "u", "accept-language", "de"],
    ],
    ["credentials as they are", ["authorization", "Bearer x"], ["authorization", "Bearer x"]],
    [
      "binary ones, padded or not",
      ["x-a-bin", "AAE=", "x-b-bin", "AAE"],
      ["x-a-bin", "AAE=", "x-b-bin", "AAE"],
    ],
    ["each of several in one", ["x-a-bin", "AAE=, AAI"], ["x-a-bin", "AAE=", "x-a-bin", "AAI"]],
    ["an empty value", ["x-a", "", "x-b-bin", ""], ["x-a", "", "x-b-bin", ""]],
  ])("%s", (_name, fields, pairs) => {
    expect(requestMetadata({ fields }).pairs).toEqual(pairs);
  });

  test.each([
    ["what is said to proxies", "proxy-authorization proxy-anything"],
    ["those of the message", "host content-length content-type content-encoding expect range"],
    ["what is accepted", "accept accept-encoding accept-charset"],
    ["conditions", "if-match if-none-match if-modified-since if-unmodified-since if-range"],
    [
      "gRPC's own",
      "grpc-timeout grpc-encoding grpc-accept-encoding grpc-status grpc-message grpc-metadata-x",
    ],
    ["Connect's own", "connect-timeout-ms connect-protocol-version connect-accept-encoding"],
    ["times that the gateway heeds", "x-request-timeout x-server-timeout"],
    [
      "what proxies say",
      "forwarded x-forwarded-for x-forwarded-host x-forwarded-proto x-forwarded-port x-real-ip",
    ],
    ["what only the gateway may say", "x-request-id x-forwarded-client-cert"],
    ["WebSocket's own", "sec-websocket-key sec-websocket-version sec-websocket-protocol"],
    ["CORS's own", "access-control-request-method access-control-request-headers"],
  ])("never go on: %s", (_name, names) => {
    for (const name of names.split(" "))
      expect(requestMetadata({ fields: [name, "x-a", "x-kept", "1"] }).pairs).toEqual(["x-kept", "1"]);
  });

  test.each<[string, string[], string]>([
    ["a name that gRPC does not know", ["x!odd", "1"], "the name of a header is none that gRPC can carry"],
    ["another", ["x~bin-bin", "AAE="], "the name of a header is none that gRPC can carry"],
    ["a value beyond ASCII", ["x-a", "s\u00fc\u00df"], "the value of x-a is not printable ASCII"],
    ["a control character", ["x-a", "a\u0001"], "the value of x-a is not printable ASCII"],
    ["a tab", ["x-a", "a\tb"], "the value of x-a is not printable ASCII"],
    ["no base64", ["x-a-bin", "?"], "x-a-bin is not base64"],
    ["base64 of no length", ["x-a-bin", "AAAAA"], "x-a-bin is not base64"],
    ["padding in the middle", ["x-a-bin", "AA==AAE="], "x-a-bin is not base64"],
  ])("refused: %s", (_name, fields, message) => {
    expect(() => requestMetadata({ fields })).toThrow(
      expect.objectContaining({ code: 3, reason: "malformed_header", message }),
    );
  });

  test("of requests with the same fields each has its own", () => {
    const memo: HeadMemo = {
      metadata: undefined,
      told: undefined,
      timeoutMs: undefined,
      accepted: undefined,
    };
    const fields = ["x-a", "1", "accept", "a/b"];
    const first = requestMetadata({ fields, memo });
    first.append("x-b", "2");
    first.delete("x-a");
    const second = requestMetadata({ fields, memo });
    expect(first.pairs).toEqual(["x-b", "2"]);
    expect(second.pairs).toEqual(["x-a", "1"]);
  });

  test("what is wrong with fields is wrong each time", () => {
    const memo: HeadMemo = {
      metadata: undefined,
      told: undefined,
      timeoutMs: undefined,
      accepted: undefined,
    };
    const fields = ["x-a", "\u00fc"];
    expect(() => requestMetadata({ fields, memo })).toThrow("printable");
    expect(() => requestMetadata({ fields, memo })).toThrow("printable");
  });
});

describe("when a call must have ended", () => {
  test.each<[string, string[], number | undefined]>([
    ["nobody says", [], undefined],
    ["grpc-timeout", ["grpc-timeout", "250m"], 250],
    ["connect-timeout-ms", ["connect-timeout-ms", "40"], 40],
    ["x-request-timeout", ["x-request-timeout", "2.5s"], 2500],
    ["x-server-timeout, in seconds", ["x-server-timeout", "2.5"], 2500],
    ["the gateway's own before it", ["x-server-timeout", "9", "x-request-timeout", "2s"], 2000],
    ["at once", ["grpc-timeout", "0n"], 0],
  ])("%s", (_name, fields, ms) => {
    const memo: HeadMemo = {
      metadata: undefined,
      told: undefined,
      timeoutMs: undefined,
      accepted: undefined,
    };
    for (let time = 0; time < 2; time++) {
      const now = turnDate();
      expect(requestDeadline({ fields, memo })).toBe(ms === undefined ? undefined : now + ms);
    }
  });

  test.each([
    ["grpc-timeout", "1"],
    ["grpc-timeout", "123456789S"],
    ["connect-timeout-ms", "1s"],
    ["x-request-timeout", "soon"],
    ["x-server-timeout", "2.5s"],
    ["x-server-timeout", "-1"],
    ["x-server-timeout", "1e3"],
  ])("refused: %s: %s", (name, value) => {
    expect(() => requestDeadline({ fields: [name, value] })).toThrow(
      expect.objectContaining({ code: 3, reason: "malformed_header", message: `${name} is not a duration` }),
    );
  });

  test("counts from when the turn of the event loop looked at the clock", () => {
    const now = turnDate();
    while (Date.now() < now + 3);
    expect(requestDeadline({ fields: ["grpc-timeout", "50m"] })).toBe(now + 50);
  });
});

describe("the metadata of calls whose heads share a memo", () => {
  const { context } = makeCall();
  const memo: HeadMemo = { metadata: undefined, told: undefined, timeoutMs: undefined, accepted: undefined };
  const head = {
    method: "GET",
    scheme: "https" as const,
    authority: "shop.test",
    target: "/v1/t",
    fields: ["x-a", "1"],
    memo,
  };
  const expected = (id: string, address: string, host: string) => [
    ...["x-a", "1", "x-request-id", id, "x-forwarded-for", address],
    ...["x-forwarded-proto", "http", "x-forwarded-host", host],
  ];

  test("is the same but for the id of the request, and each call's own", () => {
    const first = callMetadata({ head }, { ...context, requestId: "one" });
    first.append("x-b", "2");
    const second = callMetadata({ head }, { ...context, requestId: "two" });
    expect(second.pairs).toEqual(expected("two", context.peer.address, "shop.test"));
    expect(first.get("x-request-id")).toBe("one");
    second.append("x-c", "3");
    expect(callMetadata({ head }, { ...context, requestId: "three" }).get("x-c")).toBeUndefined();
  });

  test.each<[string, Partial<Context>, string, string]>([
    ["address", { peer: { address: "192.0.2.99", port: 1 } }, "x-forwarded-for", "192.0.2.99"],
    ["scheme", { secure: true }, "x-forwarded-proto", "https"],
    ["host", { forwardedHost: "other.test" }, "x-forwarded-host", "other.test"],
  ])("says the caller's %s as it is now, not as it was", (_name, now, field, value) => {
    callMetadata({ head }, context);
    expect(callMetadata({ head }, { ...context, ...now }).get(field)).toBe(value);
  });

  test("names the gateway as the configuration has it now", () => {
    callMetadata({ head }, context);
    expect(callMetadata({ head }, { ...context, via: "2 gateway" }).get("via")).toBe("2 gateway");
    expect(callMetadata({ head }, context).get("via")).toBeUndefined();
  });
});
