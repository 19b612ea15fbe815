import { describe, expect, test } from "vitest";
import { parseProxyHeader } from "../../src/frontend/proxy-protocol.ts";

const signature = Buffer.from("0d0a0d0a000d0a515549540a", "hex");

/** A header of version 2. */
function binary(versionAndCommand: number, family: number, payload: Uint8Array): Buffer {
  const rest = Buffer.alloc(4);
  rest.writeUInt8(versionAndCommand, 0);
  rest.writeUInt8(family, 1);
  rest.writeUInt16BE(payload.length, 2);
  return Buffer.concat([signature, rest, payload]);
}
const ipv4 = Buffer.from([192, 0, 2, 9, 127, 0, 0, 1, 0x10, 0x01, 0x01, 0xbb]);
const ipv6 = Buffer.concat([
  Buffer.from("20010db8000000000000000000000009", "hex"),
  Buffer.from("20010db8000000000000000000000001", "hex"),
  Buffer.from([0x10, 0x01, 0x01, 0xbb]),
]);
const mapped = Buffer.concat([
  Buffer.from("00000000000000000000ffffc0000209", "hex"),
  Buffer.alloc(16),
  Buffer.from([0x10, 0x01, 0x01, 0xbb]),
]);
const tlv = Buffer.from([0x04, 0x00, 0x03, 1, 2, 3]);

describe("a header that is whole", () => {
  test.each<[string, string | Buffer, string | undefined, number | undefined]>([
    ["TCP4", "PROXY TCP4 192.0.2.9 10.0.0.1 4097 443\r\n", "192.0.2.9", 4097],
    ["TCP6", "PROXY TCP6 2001:db8::9 2001:db8::1 4097 443\r\n", "2001:db8::9", 4097],
    ["TCP6 of an IPv4 client", "PROXY TCP6 ::ffff:192.0.2.9 ::1 4097 443\r\n", "192.0.2.9", 4097],
    ["UNKNOWN", "PROXY UNKNOWN\r\n", undefined, undefined],
    ["UNKNOWN, with what is not to be looked at", "PROXY UNKNOWN ffff::1 x 1 2\r\n", undefined, undefined],
    ["version 2, IPv4", binary(0x21, 0x11, ipv4), "192.0.2.9", 4097],
    ["version 2, IPv6", binary(0x21, 0x21, ipv6), "2001:db8::9", 4097],
    ["version 2, IPv4 as IPv6", binary(0x21, 0x21, mapped), "192.0.2.9", 4097],
    ["version 2, with extensions", binary(0x21, 0x11, Buffer.concat([ipv4, tlv])), "192.0.2.9", 4097],
    ["version 2, LOCAL", binary(0x20, 0x11, ipv4), undefined, undefined],
    ["version 2, LOCAL without addresses", binary(0x20, 0, Buffer.alloc(0)), undefined, undefined],
    ["version 2, UNSPEC", binary(0x21, 0x00, tlv), undefined, undefined],
    ["version 2, unix", binary(0x21, 0x31, Buffer.alloc(216)), undefined, undefined],
  ])("%s", (_name, header, address, port) => {
    const bytes = Buffer.from(header as string, "latin1");
    const peer = address === undefined ? undefined : { address, port };
    const complete = { kind: "complete", bytes: bytes.length, peer };
    expect(parseProxyHeader(bytes)).toEqual(complete);
    // What comes after it is not its own; and no part of it is more than a part.
    expect(parseProxyHeader(Buffer.concat([bytes, Buffer.from("GET / ")]))).toEqual(complete);
    for (let length = 0; length < bytes.length; length++)
      expect(parseProxyHeader(bytes.subarray(0, length)).kind).toBe("incomplete");
  });
});

test.each<[string, string | Buffer]>([
  ["none", "GET / HTTP/1.1\r\n"],
  ["a TLS record", Buffer.from([0x16, 3, 1, 2, 0])],
  ["in lower case", "proxy TCP4 192.0.2.9 10.0.0.1 1 2\r\n"],
  ["of another family", "PROXY TCP5 192.0.2.9 10.0.0.1 1 2\r\n"],
  ["an IPv6 address as TCP4", "PROXY TCP4 ::1 ::1 1 2\r\n"],
  ["a name", "PROXY TCP4 localhost 10.0.0.1 1 2\r\n"],
  ["leading zeros in an address", "PROXY TCP4 192.000.2.9 10.0.0.1 1 2\r\n"],
  ["a zone", "PROXY TCP6 fe80::1%eth0 ::1 1 2\r\n"],
  ["no ports", "PROXY TCP4 192.0.2.9 10.0.0.1\r\n"],
  ["a port too large", "PROXY TCP4 192.0.2.9 10.0.0.1 65536 2\r\n"],
  ["a port that is none", "PROXY TCP4 192.0.2.9 10.0.0.1 +1 2\r\n"],
  ["more than there should be", "PROXY TCP4 192.0.2.9 10.0.0.1 1 2 3\r\n"],
  ["two blanks", "PROXY TCP4  192.0.2.9 10.0.0.1 1 2\r\n"],
  ["without an end", `PROXY TCP4 ${"1".repeat(101)}`],
  ["version 1 in binary", binary(0x11, 0x11, ipv4)],
  ["version 3", binary(0x31, 0x11, ipv4)],
  ["another command", binary(0x22, 0x11, ipv4)],
  ["another family", binary(0x21, 0x41, ipv4)],
  ["another transport", binary(0x21, 0x13, ipv4)],
  ["datagrams", binary(0x21, 0x12, ipv4)],
  ["too short for IPv4", binary(0x21, 0x11, ipv4.subarray(1))],
  ["too short for IPv6", binary(0x21, 0x21, ipv4)],
  ["too short for unix", binary(0x21, 0x31, ipv6)],
  ["longer than is waited for", binary(0x20, 0x00, Buffer.alloc(4081)).subarray(0, 16)],
])("no header: %s", (_name, header) => {
  expect(parseProxyHeader(Buffer.from(header as string, "latin1"))).toEqual({ kind: "malformed" });
});
