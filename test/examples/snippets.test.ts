import { execFile } from "node:child_process";
import { readFileSync } from "node:fs";
import path from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, expect, test } from "vitest";
import { packageRoot } from "../../examples/shop/package-root.ts";
import { type TempFolder, tempFolder } from "../support/temp-folder.ts";
import { type ShopGateway, startShopGateway } from "./shop-gateway.ts";

/** The snippets of docs/protocols.md, run as they stand there, but for ports, files and the token. */
const document = readFileSync(path.join(packageRoot, "docs/protocols.md"), "utf8");
const snippets = document
  .split(/^## /m)
  .flatMap((section) =>
    [...section.matchAll(/```(js|sh)\n(.*?)```/gs)].map(
      ([, language = "", code = ""]) => [section.slice(0, section.indexOf("\n")), language, code] as const,
    ),
  );

/** What browsers have and Node 20 has not. */
const prelude = `import { WebSocket } from "ws";
class EventSource extends EventTarget {
  #leave = new AbortController();
  constructor(url) {
    super();
    this.addEventListener("message", (event) => this.onmessage?.(event));
    void this.#read(url).catch(() => {});
  }
  close() { this.#leave.abort(); }
  async #read(url) {
    const { body } = await fetch(url, { headers: { accept: "text/event-stream" }, signal: this.#leave.signal });
    let text = "";
    for await (const chunk of body.pipeThrough(new TextDecoderStream())) {
      text += chunk;
      for (let end = text.indexOf("\\n\\n"); end >= 0; end = text.indexOf("\\n\\n")) {
        const event = /^event: (.*)$/m.exec(text.slice(0, end))?.[1] ?? "message";
        const data = /^data: (.*)$/m.exec(text.slice(0, end))?.[1];
        text = text.slice(end + 2);
        if (data !== undefined) this.dispatchEvent(new MessageEvent(event, { data }));
      }
    }
  }
}
`;

let at: ShopGateway;
let folder: TempFolder;

beforeAll(async () => {
  at = await startShopGateway();
  folder = await tempFolder();
}, 60_000);
afterAll(async () => {
  await at?.[Symbol.asyncDispose]();
  await folder?.[Symbol.asyncDispose]();
});

test.each(snippets)("%s, in %s", async (_title, language, code) => {
  const run = promisify(execFile);
  const here = code
    .replaceAll("localhost:8443", `localhost:${at.httpsPort}`)
    .replaceAll(".dragoman/tls/ca.pem", at.caPath)
    .replaceAll('"./gen/', `"${packageRoot}/gen/`)
    .replaceAll("TOKEN", at.token);
  const env = { ...process.env, NODE_EXTRA_CA_CERTS: at.caPath };
  const options = { cwd: packageRoot, env, timeout: 15_000 };
  const { stdout } =
    language === "sh"
      ? await run("sh", ["-ec", here], options)
      : await run(process.execPath, ["--input-type=module", "-e", prelude + here], options);
  expect(stdout.trim()).not.toBe("");
  expect(stdout).not.toMatch(/undefined|"code"/);
});

test("all languages and protocols have snippets", () => {
  expect(snippets.length).toBeGreaterThanOrEqual(9);
});
