import { readFileSync } from "node:fs";
import path from "node:path";
import { stringify } from "yaml";
import { parseConfig } from "#config";
import { type SoleGateway, startGateway } from "#gateway";
import { formatProblem } from "#schema";
import { withEngines } from "./engines.ts";
import { connectHttp2, type Http2Client } from "./http2-client.ts";
import { keepLines } from "./lines.ts";
import { type TempFolder, tempFolder } from "./temp-folder.ts";

/** A whole gateway in this process, over real sockets, from a configuration as a user writes it. */
export interface TestGateway extends AsyncDisposable {
  readonly gateway: SoleGateway;
  readonly folder: TempFolder;
  readonly url: string;
  readonly admin: string;
  readonly ca: Buffer;
  /** Log and access log, line by line. */
  readonly log: readonly string[];
  connect(): Http2Client;
  /** What the access log says of the calls so far. */
  access(): readonly Record<string, unknown>[];
}

/** @param config what differs from: free ports, a `proto` folder with these files, everything public */
export async function testGateway(
  protos: Readonly<Record<string, string>>,
  config: Readonly<Record<string, unknown>>,
): Promise<TestGateway> {
  const files = Object.fromEntries(Object.entries(protos).map(([name, text]) => [`proto/${name}`, text]));
  const folder = await tempFolder(files);
  const { listen, ...rest } = config;
  const { https, http, ...others } = (listen ?? {}) as Readonly<Record<string, object>>;
  const text = stringify({
    version: 1,
    listen: {
      ...others,
      https: { host: "127.0.0.1", port: 0, tls: "dev", ...https },
      http: { host: "127.0.0.1", port: 0, mode: "serve", ...http },
    },
    admin: { port: 0 },
    schema: [{ proto: "./proto" }],
    ...rest,
  });
  const loaded = parseConfig(text, { file: path.join(folder.dir, "gateway.yaml"), env: {} });
  if (loaded.config === undefined) throw new Error(loaded.problems.map(formatProblem).join("\n"));
  const log: string[] = [];
  const gateway = await startGateway(withEngines(loaded.config), {
    stateDir: path.join(import.meta.dirname, "../../.dragoman/test"),
    sink: keepLines(log),
  });
  const url = `https://localhost:${gateway.httpsPort}`;
  const ca = gateway.caPath === undefined ? Buffer.alloc(0) : readFileSync(gateway.caPath);
  return {
    gateway,
    folder,
    url,
    admin: `http://127.0.0.1:${gateway.adminPort}`,
    ca,
    log,
    connect: () => connectHttp2(url, { ca }),
    access: () => log.map((line) => JSON.parse(line)).filter(({ message }) => message === "access"),
    async [Symbol.asyncDispose]() {
      await gateway.close(1000);
      await folder[Symbol.asyncDispose]();
    },
  };
}
