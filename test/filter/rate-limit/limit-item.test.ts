import { expect, test } from "vitest";
import { limitItem } from "../../../src/filter/rate-limit/limit-item.ts";

test("each item says what it was asked for, whichever was asked for before", () => {
  const limits = ["a", "b"];
  const rests = ["", ";pk=:AAAA:"];
  // Those that differ by 256, or by 31 for a second, would have the same place.
  const lefts = [0, 1, 31, 225, 256, 257, 512, 1_000_000, Number.MAX_SAFE_INTEGER];
  for (let round = 0; round < 2; round++)
    for (const left of lefts)
      for (const seconds of [0, 1, 2, 3600])
        for (const limit of limits)
          for (const rest of rests)
            expect(limitItem(limit, left, seconds, rest)).toBe(`"${limit}";r=${left};t=${seconds}${rest}`);
});
