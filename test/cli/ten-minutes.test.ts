import { execFile } from "node:child_process";
import { readFileSync, symlinkSync } from "node:fs";
import path from "node:path";
import { promisify } from "node:util";
import type { Metadata, ServerUnaryCall } from "@grpc/grpc-js";
import { expect, test } from "vitest";
import { root } from "../support/program.ts";
import { startRawServer, unary } from "../support/raw-server.ts";
import { tempFolder } from "../support/temp-folder.ts";
import { startDragoman } from "./support/dragoman.ts";

const run = promisify(execFile);

test("the ten minutes of docs/security.md, as they stand there but for ports", async () => {
  const document = readFileSync(path.join(root, "docs/security.md"), "utf8");
  const [, config = ""] = /```yaml\n(.*?)```/s.exec(document) ?? [];
  const [prepare = "", ask = ""] = [...document.matchAll(/```sh\n(.*?)```/gs)].map(([, code = ""]) => code);
  let heard: Metadata | undefined;
  await using server = await startRawServer("shop.v1.Orders", {
    ListOrders: unary((_request, call: ServerUnaryCall<Buffer, Buffer>) => {
      heard = call.metadata;
      return Buffer.alloc(0);
    }),
  });
  await using folder = await tempFolder();
  symlinkSync(path.join(root, "proto"), path.join(folder.dir, "proto"));
  const text = config
    .replace("127.0.0.1:50051", server.address)
    .replace("port: 8443", "host: 127.0.0.1, port: 0")
    .replace("port: 8080", "host: 127.0.0.1, port: 0");
  await folder.write("gateway.yaml", `${text}admin: { port: 0 }\n`);

  expect(prepare).toContain("npx dragoman serve &\n");
  const script = prepare
    .replace("npx dragoman serve &\n", "")
    .replaceAll("npx dragoman", `"${process.execPath}" "${path.join(root, "src/cli/launch.js")}"`);
  const prepared = await run("sh", ["-ec", script], { cwd: folder.dir });
  expect(prepared.stdout).toContain("shop.v1.Orders/ListOrders");
  expect(prepared.stderr).not.toContain("error:");

  await using running = await startDragoman(["serve"], folder.dir);
  const asked = async (line: string): Promise<string> => {
    const here = line
      .replace("https://localhost:8443", running.url)
      .replace("curl ", "curl --silent --show-error --include ");
    return (await run("sh", ["-ec", here], { cwd: folder.dir })).stdout;
  };
  const [without = "", with_ = ""] = ask.trim().split("\n");
  expect(await asked(without)).toMatch(/^HTTP\/2 401 [\s\S]*x-dragoman-reason: credentials_missing/);
  const wrong = "$(cat acme.key)0";
  expect(await asked(with_.replace("$(cat acme.key)", wrong))).toMatch(/^HTTP\/2 401 /);
  expect(heard).toBeUndefined();
  const answer = await asked(with_);
  expect(answer).toMatch(/^HTTP\/2 200 [\s\S]*strict-transport-security: max-age=15552000/);
  expect(answer).toMatch(/\nratelimit: "per-user";r=99;t=60, "per-ip";r=\d+;t=\d+/);
  expect(heard?.get("x-dragoman-subject")).toEqual(["acme"]);
  expect(heard?.get("x-api-key")).toEqual([]);
}, 60_000);
