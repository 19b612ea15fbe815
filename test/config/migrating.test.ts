import { readFileSync } from "node:fs";
import path from "node:path";
import { expect, test } from "vitest";
import { presets } from "#config";

const names = ["strict", "envoy", "grpc-gateway", "google"] as const;

/** The rows of the table of switches, by switch. */
function documented(): Map<string, readonly string[]> {
  const text = readFileSync(path.resolve(import.meta.dirname, "../../docs/migrating.md"), "utf8");
  const rows = new Map<string, readonly string[]>();
  for (const line of text.split("\n")) {
    const cells = line.split("|").map((cell) => cell.trim().replaceAll(/[`*]/g, "").trim());
    if (cells.length === 8 && /^[a-z]\w+$/.test(cells[1] ?? "") && cells[1] !== "switch") {
      rows.set(cells[1] as string, cells.slice(3, 7));
    }
  }
  return rows;
}

function shown(value: string | boolean | readonly string[]): string {
  if (typeof value !== "object") return String(value);
  return value.length === 0 ? "none" : "key, access_token, $userProject and the like";
}

test("the documented switches of presets are those that they have", () => {
  const expected = Object.keys(presets.strict).map((key) => [
    key,
    names.map((name) => {
      const value = Object.entries(presets[name]).find(([each]) => each === key)?.[1];
      return shown(value ?? "missing");
    }),
  ]);
  expect(Object.fromEntries(documented())).toEqual(Object.fromEntries(expected));
});
