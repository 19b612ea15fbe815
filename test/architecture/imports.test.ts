import { readdirSync, readFileSync } from "node:fs";
import path from "node:path";
import { expect, test } from "vitest";

const src = path.resolve(import.meta.dirname, "../../src");

/** What each folder of src/ may import of ours. A star stands for everything. */
const allowed: Readonly<Record<string, readonly string[]>> = {
  schema: [],
  http2: [],
  config: [],
  rpc: ["schema"],
  codec: ["schema"],
  route: ["schema"],
  transcode: ["schema", "rpc", "codec", "route"],
  telemetry: ["rpc"],
  expression: ["rpc", "schema"],
  store: ["telemetry"],
  filter: ["rpc", "schema", "telemetry", "expression", "store"],
  composition: ["rpc", "schema"],
  upstream: ["rpc", "schema", "telemetry", "http2"],
  frontend: ["rpc", "schema", "codec", "route", "transcode", "telemetry", "http2"],
  admin: ["telemetry", "rpc"],
  gateway: ["*"],
  workers: ["*"],
  cli: ["config", "gateway", "workers", "schema", "telemetry", "openapi"],
  "": ["cli", "config", "workers", "gateway", "schema", "openapi"],
};

interface Import {
  readonly file: string;
  readonly specifier: string;
}

const files = readdirSync(src, { recursive: true, withFileTypes: true })
  .filter((entry) => entry.isFile() && /\.(?:ts|js)$/.test(entry.name))
  .map((entry) => path.relative(src, path.join(entry.parentPath, entry.name)));

const imports: readonly Import[] = files.flatMap((file) => {
  const text = readFileSync(path.join(src, file), "utf8");
  const found = text.matchAll(
    /^\s*(?:import|export)\b[^"';]*?["']([^"']+)["']|\bimport\(\s*["']([^"']+)["']/gm,
  );
  return [...found].map((match) => ({ file, specifier: match[1] ?? match[2] ?? "" }));
});

/** The top folder of a file in src/; empty for main.ts. */
function folderOf(file: string): string {
  return file.includes(path.sep) ? (file.split(path.sep)[0] as string) : "";
}

/** The unit within which relative imports are free: a folder of src/, or one filter, or one protocol. */
function unitOf(file: string): string {
  const [top = "", second = ""] = file.split(path.sep);
  return top === "filter" ? `${top}/${second}` : file.includes(path.sep) ? top : "";
}

test("there is something to check", () => {
  expect(imports.length).toBeGreaterThan(50);
});

test("a folder imports only what the architecture allows", () => {
  const broken = imports.filter(({ file, specifier }) => {
    const target = /^#(\w+)/.exec(specifier)?.[1];
    if (target === undefined || target === "gen") return false;
    const rules = allowed[folderOf(file)] ?? [];
    return !rules.includes("*") && !rules.includes(target);
  });
  expect(broken).toEqual([]);
});

test("a cross-folder import goes through the folder's index by its # name", () => {
  const broken = imports.filter(({ file, specifier }) => {
    if (!specifier.startsWith(".")) return false;
    const target = path.normalize(path.join(path.dirname(file), specifier));
    if (target.startsWith("..")) return true;
    return unitOf(file) !== unitOf(target) && folderOf(file) !== "";
  });
  expect(broken).toEqual([]);
});

test("a protocol folder never imports another", () => {
  const protocols = ["rest", "websocket", "grpc", "passthrough", "connect", "grpc-web"];
  const broken = imports.filter(({ file, specifier }) => {
    const [top, own = ""] = file.split(path.sep);
    if (top !== "frontend" || !protocols.includes(own) || !specifier.startsWith(".")) return false;
    const [, other = ""] = path.normalize(path.join(path.dirname(file), specifier)).split(path.sep);
    return protocols.includes(other) && other !== own;
  });
  expect(broken).toEqual([]);
});

test("only the front end, the admin, the upstreams and the shared store touch sockets", () => {
  const sockets = [
    "node:net",
    "node:tls",
    "node:http",
    "node:https",
    "node:http2",
    "ws",
    "http2-proxy",
    "@grpc/grpc-js",
    "ioredis",
  ];
  const at = ["frontend", "admin", "upstream", "store", "http2"];
  // Fetching keys is authentication's own errand, asking an authorization service another, and `dragoman call` is a client.
  const errands = [path.join("filter", "authn"), path.join("filter", "ext-authz"), path.join("cli", "call")];
  const broken = imports.filter(
    ({ file, specifier }) =>
      sockets.includes(specifier) &&
      !at.includes(folderOf(file)) &&
      !errands.some((errand) => file.startsWith(errand)),
  );
  expect(broken).toEqual([]);
});

test("only config and main read the environment, and only main exits", () => {
  const text = (file: string) => readFileSync(path.join(src, file), "utf8");
  const env = files.filter((file) => /process\.env/.test(text(file)) && folderOf(file) !== "config");
  expect(env.filter((file) => file !== "main.ts")).toEqual([]);
  expect(files.filter((file) => /process\.exit\(/.test(text(file)) && file !== "main.ts")).toEqual([]);
});

test("there is no default export and no catch-all file", () => {
  const names = files.filter((file) => /(?:^|\/)(?:utils?|common|core|helpers?|types)(?:\.ts|\/)/.test(file));
  expect(names).toEqual([]);
  expect(
    files.filter((file) => /^export default /m.test(readFileSync(path.join(src, file), "utf8"))),
  ).toEqual([]);
});
