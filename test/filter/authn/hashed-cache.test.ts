import { randomBytes } from "node:crypto";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { expect, test } from "vitest";
import { HashedCache } from "../../../src/filter/authn/hashed-cache.ts";

setFlagsFromString("--expose-gc");
const collectGarbage: () => void = runInNewContext("gc");

test("what is remembered of credentials holds none of them", () => {
  const mebibyte = 1024 * 1024;
  const used = (): number => {
    collectGarbage();
    return process.memoryUsage().heapUsed / mebibyte;
  };
  const cache = new HashedCache<number>({ maxBytes: 64 * mebibyte });
  const before = used();
  for (let i = 0; i < 2000; i++) cache.set(randomBytes(12 * 1024).toString("base64url"), i);
  expect(cache.size).toBe(2000);
  // The texts have 32 MiB together.
  expect(used() - before).toBeLessThan(8);
  expect(cache.size).toBe(2000);
});
