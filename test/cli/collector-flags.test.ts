import { execFileSync } from "node:child_process";
import { expect, test } from "vitest";
import { collectorFlags } from "../../src/cli/collector-flags.ts";
import { dragoman } from "./support/dragoman.ts";

test.each([
  ["20.19.0", 2],
  ["22.23.3", 2],
  ["24.0.0", 3],
  ["25.9.0", 3],
  ["26.10.0", 2],
])("Node %s has %i set", (version, count) => {
  expect(collectorFlags(version)).toHaveLength(count);
});

const flags = collectorFlags(process.versions.node);

test("this Node knows what it has set", () => {
  const known = execFileSync(process.execPath, ["--v8-options"], { encoding: "utf8" });
  for (const flag of flags) expect(known).toContain(`${flag.replace(/^--no-/, "--").replace(/=.*/, "")} (`);
});

/** Tells of each flag that a program sets. */
const telling = `
import v8 from "node:v8";
import { syncBuiltinESMExports } from "node:module";
const set = v8.setFlagsFromString;
v8.setFlagsFromString = (flag) => {
  process.stderr.write(flag + "\\n");
  set(flag);
};
syncBuiltinESMExports();
`;

test("the command sets them as it starts", async () => {
  const preload = `data:text/javascript,${encodeURIComponent(telling)}`;
  const { stderr } = await dragoman(["--version"], { env: { NODE_OPTIONS: `--import=${preload}` } });
  expect(stderr.trim().split("\n")).toEqual(flags);
});
