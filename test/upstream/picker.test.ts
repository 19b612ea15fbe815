import { expect, test } from "vitest";
import { roundRobin } from "../../src/upstream/picker.ts";

const endpoints = (...addresses: string[]) => addresses.map((address) => ({ address }));
const [a = { address: "" }, b = { address: "" }, c = { address: "" }] = endpoints("a", "b", "c");

test("endpoints take turns, whichever is first", () => {
  const pick = roundRobin([a, b, c]);
  const picked = Array.from({ length: 7 }, () => pick([])?.address).join("");
  expect("abcabcabcabc").toContain(picked);
});

test("pickers do not all begin with the same endpoint", () => {
  const first = new Set(Array.from({ length: 200 }, () => roundRobin([a, b, c])([])?.address));
  expect(first).toEqual(new Set(["a", "b", "c"]));
});

test("what was tried comes last", () => {
  const pick = roundRobin([a, b, c]);
  for (let i = 0; i < 5; i++) expect(pick(["a", "c"])).toBe(b);
  for (let i = 0; i < 5; i++) expect(pick(["c"])).not.toBe(c);
  const all = new Set(Array.from({ length: 6 }, () => pick(["a", "b", "c"])?.address));
  expect(all).toEqual(new Set(["a", "b", "c"]));
});

test("what was tried and is gone does not matter", () => {
  expect(roundRobin([a])(["z"])).toBe(a);
});

test("without endpoints there is nothing to pick", () => {
  expect(roundRobin([])([])).toBeUndefined();
  expect(roundRobin([])(["a"])).toBeUndefined();
});
