import { readFileSync } from "node:fs";
import http2 from "node:http2";
import path from "node:path";
import { pipeline } from "node:stream/promises";
import { readOptions } from "./options.ts";
import { stateFolder } from "./run-gateway.ts";
import { type Command, type ExitCode, type Terminal, UsageError } from "./terminal.ts";

export const callCommand: Command = {
  summary: "call a gRPC method through a running gateway",
  usage: `dragoman call METHOD [-d JSON] [-H 'NAME: VALUE'] [--url URL]

Calls POST /METHOD, where METHOD is package.Service/Method. Prints what is answered, one message a line; a failure
prints its google.rpc.Status to stderr and exits with 1.

  -d JSON        the request; several values, one after the other, for a stream; @- reads them from stdin
  -H FIELD       a header, such as 'authorization: Bearer ...'; may stand more than once
  --url URL      the gateway; https://localhost:8443 when absent
  --cacert FILE  whom to trust; the local CA of \`tls: dev\` when absent and there
  --insecure     trust anybody`,
  async run(args, terminal) {
    const { values, positionals } = readOptions(args, {
      data: { type: "string", short: "d" },
      header: { type: "string", short: "H", multiple: true },
      url: { type: "string" },
      cacert: { type: "string" },
      insecure: { type: "boolean" },
    });
    const [method, ...others] = positionals;
    if (method === undefined || others.length > 0 || !/^\/?[\w.]+\/\w+$/.test(method)) {
      throw new UsageError("name one method: package.Service/Method");
    }
    const headers: http2.OutgoingHttpHeaders = {
      ":method": "POST",
      ":path": `/${method.replace(/^\//, "")}`,
      "content-type": "application/json",
      ...readHeaders(values.header ?? []),
    };
    const url = readUrl(values.url ?? "https://localhost:8443");
    const session = http2.connect(url, {
      rejectUnauthorized: values.insecure !== true,
      ...authority(values.cacert, terminal),
    });
    try {
      return await exchange(session, headers, values.data ?? "{}", terminal);
    } catch (error) {
      terminal.stderr.write(`${url.origin}: ${describe(error)}\n`);
      return 1;
    } finally {
      session.destroy();
    }
  },
};

/** Why no answer came: of a stream that could not be opened, why its connection could not. */
function describe(error: unknown): string {
  const root = error instanceof Error && error.cause instanceof Error ? error.cause : error;
  if (root instanceof AggregateError) return root.errors.map(describe).join("; ");
  return root instanceof Error ? root.message : String(root);
}

/** A name that stands more than once has all its values. @throws UsageError */
function readHeaders(texts: readonly string[]): Record<string, string | string[]> {
  const headers = new Map<string, string[]>();
  for (const [name, value] of texts.map(readHeader)) headers.set(name, [...(headers.get(name) ?? []), value]);
  return Object.fromEntries(
    [...headers].map(([name, values]) => [name, values.length === 1 ? (values[0] ?? "") : values]),
  );
}

function readHeader(text: string): [string, string] {
  const colon = text.indexOf(":");
  if (colon <= 0) throw new UsageError(`-H takes NAME: VALUE, not ${text}`);
  return [text.slice(0, colon).trim().toLowerCase(), text.slice(colon + 1).trim()];
}

function readUrl(text: string): URL {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url?.protocol !== "https:" && url?.protocol !== "http:") {
    throw new UsageError(`--url must be a URL such as https://localhost:8443, not ${text}`);
  }
  return url;
}

/** @throws UsageError for a file that was named and cannot be read */
function authority(cacert: string | undefined, terminal: Terminal): { ca?: Buffer } {
  const file = path.resolve(terminal.cwd, cacert ?? path.join(stateFolder, "tls/ca.pem"));
  try {
    return { ca: readFileSync(file) };
  } catch {
    if (cacert !== undefined) throw new UsageError(`${cacert} cannot be read`);
    return {};
  }
}

function exchange(
  session: http2.ClientHttp2Session,
  headers: http2.OutgoingHttpHeaders,
  data: string,
  terminal: Terminal,
): Promise<ExitCode> {
  return new Promise((resolve, reject) => {
    session.on("error", reject);
    const stream = session.request(headers);
    let status = 0;
    let last = "";
    let whole = false;
    stream.on("response", (fields) => {
      status = Number(fields[":status"]);
      const output = status === 200 ? terminal.stdout : terminal.stderr;
      stream.setEncoding("utf8");
      stream.on("data", (text: string) => {
        output.write(text);
        last = (last + text).slice(-64 * 1024);
      });
    });
    stream.on("end", () => {
      whole = true;
    });
    stream.on("error", reject);
    stream.on("close", () => {
      if (!whole) {
        reject(new Error("the answer broke off"));
        return;
      }
      const output = status === 200 ? terminal.stdout : terminal.stderr;
      if (!last.endsWith("\n")) output.write("\n");
      resolve(status === 200 && !endsWithError(last) ? 0 : 1);
    });
    if (data === "@-") pipeline(terminal.stdin, stream).catch(() => {});
    else stream.end(data);
  });
}

/** A stream that failed after it had begun says so in its last line. */
function endsWithError(text: string): boolean {
  const line = text.trimEnd().split("\n").at(-1) ?? "";
  return /^\{"error":\{"code":\d+,/.test(line);
}
