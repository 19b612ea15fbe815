import { readFileSync } from "node:fs";
import http2 from "node:http2";
import { startDragoman } from "../../cli/support/dragoman.ts";
import { type TempFolder, tempFolder } from "../../support/temp-folder.ts";
import { until } from "../../support/until.ts";

export const proto = `syntax = "proto3";
package t.v1;
service Echo {
  rpc Say(Text) returns (Text);
  rpc Hold(Text) returns (Text);
}
message Text { string text = 1; }
`;

export interface MemberView {
  readonly number: number;
  readonly pid: number;
  readonly state: string;
}

export interface Answer {
  readonly status: number;
  readonly body: string;
  /** Tells one worker from another. */
  readonly worker: string;
}

/** A gateway of several processes, as a user runs it. */
export interface RunningPool extends AsyncDisposable {
  readonly pid: number;
  readonly url: string;
  readonly folder: TempFolder;
  readonly exited: Promise<number | null>;
  stderr(): string;
  signal(name: NodeJS.Signals): void;
  members(): Promise<readonly MemberView[]>;
  /** The sum of the series of a metric whose text has all of the parts. */
  metric(name: string, ...parts: readonly string[]): Promise<number>;
  get(path: string): Promise<Response>;
  reload(): Promise<{ readonly status: number; readonly problems: readonly { readonly message: string }[] }>;
  /** A call on a connection of its own. */
  call(method: string, text?: string): Promise<Answer>;
  connect(): http2.ClientHttp2Session;
}

export const config = (address: string, workers: number | string, more = ""): string => `version: 1
listen: { https: { host: 127.0.0.1, port: 0 }, http: { mode: off } }
admin: { port: 0 }
workers: ${workers}
schema: [{ proto: ./proto }]
drain: 10s
${more.includes("upstreams:") ? "" : `upstreams: { echo: "grpc://${address}" }\n`}${more.includes("routes:") ? "" : 'routes: [{ match: "*", public: true }]\n'}${more}`;

export async function startPool(text: string): Promise<RunningPool> {
  const folder = await tempFolder({ "gateway.yaml": text, "proto/t.proto": proto });
  const running = await startDragoman(["serve"], folder.dir);
  const ca = readFileSync(`${folder.dir}/.dragoman/tls/ca.pem`);
  const connect = (): http2.ClientHttp2Session => {
    const session = http2.connect(running.url, { ca });
    session.on("error", () => {});
    return session;
  };
  const get = (path: string): Promise<Response> => fetch(`${running.admin}${path}`);
  const pool: RunningPool = {
    pid: running.program.pid,
    url: running.url,
    folder,
    exited: running.program.exited,
    stderr: () => running.program.stderr(),
    signal: (name) => running.program.signal(name),
    get,
    connect,
    members: async () => (await (await get("/api/workers")).json()) as MemberView[],
    async metric(name, ...parts) {
      const lines = (await (await get("/metrics")).text()).split("\n");
      const found = lines.filter(
        (line) => /^[a-z_]+/.exec(line)?.[0] === name && parts.every((part) => line.includes(part)),
      );
      return found.reduce((sum, line) => sum + Number(line.slice(line.lastIndexOf(" ") + 1)), 0);
    },
    async reload() {
      const response = await fetch(`${running.admin}/api/reload`, { method: "POST" });
      return { status: response.status, ...((await response.json()) as { problems: { message: string }[] }) };
    },
    async call(method, value = "x") {
      const session = connect();
      try {
        return await callOn(session, method, value);
      } finally {
        session.close();
      }
    },
    async [Symbol.asyncDispose]() {
      await running[Symbol.asyncDispose]();
      await folder[Symbol.asyncDispose]();
    },
  };
  await until("the endpoint is ready", async () =>
    (await (await get("/api/upstreams")).text()).includes('"state": "ready"'),
  );
  return pool;
}

/** Rejects when the connection ends before the answer does. */
export function callOn(session: http2.ClientHttp2Session, method: string, value: string): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const stream = session.request({
      ":method": "POST",
      ":path": `/t.v1.Echo/${method}`,
      "content-type": "application/json",
    });
    let head: http2.IncomingHttpHeaders & http2.IncomingHttpStatusHeader = {};
    let body = "";
    stream.on("response", (headers) => {
      head = headers;
    });
    stream.setEncoding("utf8");
    stream.on("data", (chunk: string) => {
      body += chunk;
    });
    stream.on("error", reject);
    session.once("error", reject);
    stream.on("close", () => {
      session.off("error", reject);
      if (head[":status"] === undefined) reject(new Error("the connection ended before the answer"));
      else resolve({ status: head[":status"], body, worker: workerOf(String(head["x-request-id"] ?? body)) });
    });
    stream.end(JSON.stringify({ text: value }));
  });
}

/** Request ids of one process begin alike; the echo answers with the id that it was called with. */
function workerOf(text: string): string {
  return /([\w-]{6})[\w-]{6}/.exec(text)?.[1] ?? "";
}
