import { expect, test } from "vitest";
import { completing } from "../../src/frontend/complete-fields.ts";

test("what is removed is removed from every answer, whatever the one before was like", () => {
  const complete = completing([], ["server", "x-powered-by"]);
  const names = ["server", "x-a", "x-powered-by", "x-b"];
  let last: string[] = [];
  for (let i = 0; i < 2000; i++) {
    const length = (i * 7) % 5;
    const fields = Array.from({ length }, (_, at) => names[(i >> (2 * at)) & 3] ?? "").flatMap((name) => [
      name,
      "1",
    ]);
    const kept = fields.filter((text, at) => /^x-[ab]$/.test(at % 2 === 0 ? text : (fields[at - 1] ?? "")));
    last = complete(fields);
    expect(last).toEqual(kept);
  }
});

test("the fields that it is given stay as they are", () => {
  const complete = completing(["x-added", "1", "x-own", "2"], ["server"]);
  const fields = ["x-own", "1"];
  const all = complete(fields);
  expect(all).toEqual(["x-own", "1", "x-added", "1"]);
  all.push("content-length", "0");
  expect(fields).toEqual(["x-own", "1"]);
  expect(complete(fields)).toEqual(["x-own", "1", "x-added", "1"]);
});

test("what is only sent behind is told where nothing of the fields has to change, and always as the same list", () => {
  const added = ["x-added", "1", "x-own", "2"];
  const complete = completing(added, ["server"]);
  const names = ["x-a", "x-b", "x-own", "server"];
  for (let i = 0; i < 2000; i++) {
    const fields = Array.from({ length: (i * 7) % 5 }, (_, at) => names[(i >> (2 * at)) & 3] ?? "").flatMap(
      (name) => [name, "1"],
    );
    const more = complete.behind(fields);
    const changes = fields.includes("x-own") || fields.includes("server");
    expect(more === undefined).toBe(changes);
    if (more === undefined) continue;
    expect(more).toBe(added);
    expect(complete(fields)).toEqual([...fields, ...more]);
  }
});
