import net from "node:net";
import { expect, test } from "vitest";
import { addressesIn, plainAddress } from "../../src/frontend/address-blocks.ts";
import { admitting, clientPeer, trustedPeers } from "../../src/frontend/peer.ts";

const proxies = ["10.0.0.0/8", "2001:db8:a::/48"];
const peer = { address: "10.0.0.1", port: 1 };
const named = (field: "x-forwarded-for" | "forwarded", ...values: string[]) =>
  clientPeer(
    peer,
    values.flatMap((value) => [field, value]),
    trustedPeers(proxies, field),
  ).address;

test.each<[string, string[], string]>([
  ["one client", ["192.0.2.9"], "192.0.2.9"],
  ["from the right, whatever the client has said before", ["6.6.6.6, 192.0.2.9"], "192.0.2.9"],
  ["several fields are one list", ["6.6.6.6", "192.0.2.9, 10.0.0.2"], "192.0.2.9"],
  ["trusted hops are passed over", ["192.0.2.9, 10.0.0.3, 2001:db8:a::1"], "192.0.2.9"],
  ["nothing", [], "10.0.0.1"],
  ["empty", [""], "10.0.0.1"],
  ["fewer entries than hops", ["10.0.0.3"], "10.0.0.3"],
  ["what is no address ends the walk", ["192.0.2.9, unknown"], "10.0.0.1"],
  ["after a hop, too", ["192.0.2.9, localhost, 10.0.0.3"], "10.0.0.3"],
  ["a zone", ["fe80::1%eth0"], "10.0.0.1"],
  ["an IPv4 address as IPv6", ["::ffff:192.0.2.9"], "192.0.2.9"],
  ["a trusted IPv4 hop as IPv6", ["192.0.2.9, ::ffff:a00:3"], "192.0.2.9"],
])("x-forwarded-for: %s", (_name, values, expected) => {
  expect(named("x-forwarded-for", ...values)).toBe(expected);
});

test.each<[string, string[], string]>([
  ["one client", ["for=192.0.2.9;proto=https"], "192.0.2.9"],
  ["with a port", ['for="192.0.2.9:4711"'], "192.0.2.9"],
  ["IPv6", ['FOR="[2001:db8::9]:4711"'], "2001:db8::9"],
  ["from the right", ["for=6.6.6.6, for=192.0.2.9;by=10.0.0.2"], "192.0.2.9"],
  ["trusted hops are passed over", ["for=192.0.2.9", 'for=10.0.0.3, for="[2001:db8:a::1]"'], "192.0.2.9"],
  ["commas within quotes part nothing", ['for=6.6.6.6;ext="a,for=1.1.1.1;", for=192.0.2.9'], "192.0.2.9"],
  ["unknown", ["for=192.0.2.9, for=unknown"], "10.0.0.1"],
  ["hidden", ["for=192.0.2.9, for=_proxy1"], "10.0.0.1"],
  ["nothing said of it", ["for=192.0.2.9, proto=https"], "10.0.0.1"],
  ["said twice", ["for=192.0.2.9;for=192.0.2.8"], "10.0.0.1"],
  ["broken", ['for="192.0.2.9'], "10.0.0.1"],
])("forwarded: %s", (_name, values, expected) => {
  expect(named("forwarded", ...values)).toBe(expected);
});

test("the field that proxies do not fill in is never believed", () => {
  const both = ["forwarded", "for=6.6.6.6", "x-forwarded-for", "192.0.2.9"];
  expect(clientPeer(peer, both, trustedPeers(proxies)).address).toBe("192.0.2.9");
  expect(clientPeer(peer, both, trustedPeers(proxies, "forwarded")).address).toBe("6.6.6.6");
  expect(clientPeer(peer, both.slice(0, 2), trustedPeers(proxies)).address).toBe("10.0.0.1");
});

test("nor is anybody who is not trusted", () => {
  const stranger = { address: "192.0.2.1", port: 1 };
  const both = ["forwarded", "for=6.6.6.6", "x-forwarded-for", "6.6.6.6"];
  expect(clientPeer(stranger, both, trustedPeers(proxies))).toBe(stranger);
  expect(clientPeer(stranger, both, trustedPeers(proxies, "forwarded"))).toBe(stranger);
  expect(clientPeer(peer, both, trustedPeers([]))).toBe(peer);
});

test.each([
  ["::ffff:192.0.2.9", "192.0.2.9"],
  ["::FFFF:c000:209", "192.0.2.9"],
  ["::ffff:0:1", "0.0.0.1"],
  ["::1", "::1"],
  ["2001:db8::ffff:1", "2001:db8::ffff:1"],
  ["192.0.2.9", "192.0.2.9"],
])("%s is %s", (address, expected) => {
  expect(plainAddress(address)).toBe(expected);
});

test.each<[string, string[] | undefined, string[] | undefined, string[], string[]]>([
  ["allowed alone", ["10.0.0.0/8", "::1"], undefined, ["10.1.2.3", "::1"], ["11.0.0.1", "::2"]],
  [
    "but those who are denied",
    undefined,
    ["192.0.2.9", "2001:db8::/32"],
    ["192.0.2.8", "::1"],
    ["192.0.2.9", "2001:db8::1"],
  ],
  ["denied counts more", ["10.0.0.0/8"], ["10.1.0.0/16"], ["10.2.0.1"], ["10.1.0.1", "11.0.0.1"]],
  ["a zone is nobody's", ["fe80::/10"], undefined, ["fe80::1"], ["fe80::1%eth0"]],
])("admits: %s", (_name, allow, deny, good, bad) => {
  const admits = admitting(allow, deny);
  expect(good.map((address) => admits?.(address))).toEqual(good.map(() => true));
  expect(bad.map((address) => admits?.(address))).toEqual(bad.map(() => false));
});

test("nothing configured costs nothing", () => {
  expect(admitting(undefined, undefined)).toBeUndefined();
});

test("blocks are those of the platform, whatever the addresses", () => {
  // Of a generator whose numbers are the same in every run.
  let state = 42;
  const upTo = (limit: number): number => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return Math.floor((state / 2 ** 32) * limit);
  };
  const four = (): string => Array.from({ length: 4 }, () => [0, 10, 127, 128, 255][upTo(5)]).join(".");
  const six = (): string =>
    `${["2001:db8", "2001:db9", "fe80"][upTo(3)]}${["::1", "::", "::ffff:0:1", ":0:0:1::8000", "::192.0.2.1"][upTo(5)]}`;
  for (let round = 0; round < 300; round++) {
    const list = new net.BlockList();
    const blocks = Array.from({ length: 3 }, () => {
      const [address, bits, family] =
        upTo(2) === 0 ? ([four(), upTo(33), "ipv4"] as const) : ([six(), upTo(129), "ipv6"] as const);
      list.addSubnet(address, bits, family);
      return `${address}/${bits}`;
    });
    const within = addressesIn(blocks);
    for (let i = 0; i < 10; i++) {
      const [address, family] = upTo(2) === 0 ? ([four(), "ipv4"] as const) : ([six(), "ipv6"] as const);
      expect(within(address), `${address} in ${blocks.join()}`).toBe(list.check(address, family));
    }
  }
});

test.each([
  "",
  "10",
  "10.0.0",
  "10.0.0.0.0",
  "10.0.0.256",
  "010.0.0.1",
  "10..0.1",
  "10.0.0.1.",
  "a",
  "::g",
  "fe80::1%a",
])("%s is in no block", (text) => {
  expect(addressesIn(["0.0.0.0/0", "::/0"])(text)).toBe(false);
});

test("blocks of mapped addresses are those of IPv4", () => {
  const within = addressesIn(["::ffff:10.0.0.0/104", "::ffff:192.0.2.1"]);
  expect(["10.1.2.3", "::ffff:10.1.2.3", "192.0.2.1", "11.0.0.1", "192.0.2.2"].map(within)).toEqual([
    true,
    true,
    true,
    false,
    false,
  ]);
});
