import { execFile } from "node:child_process";
import path from "node:path";
import { pathToFileURL } from "node:url";
import { promisify } from "node:util";
import { expect, test } from "vitest";
import { root } from "../support/program.ts";

const run = promisify(execFile);

/** Runs a program that has `areQuick()`, apart from whatever else the tests have loaded. */
async function output(program: string): Promise<string> {
  const asks = "const areQuick = () => %HasFastProperties(String.prototype);";
  const args = ["--allow-natives-syntax", "--input-type=module", "-e", `${asks}\n${program}`];
  return (await run(process.execPath, args, { cwd: root })).stdout.trim();
}

function built(module: string): string {
  return JSON.stringify(pathToFileURL(path.join(root, "dist/src", module)).href);
}

test("texts are quick again after something has extended String", async () => {
  const program = `import { quickenTexts } from ${built("store/quick-texts.js")};
    class Extended extends String {}
    quickenTexts();
    console.log(areQuick());`;
  expect(await output(program)).toBe("true");
});

test("what a gateway is made of leaves texts quick", async () => {
  expect(await output(`await import(${built("gateway/index.js")}); console.log(areQuick());`)).toBe("true");
});
