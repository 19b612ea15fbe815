import http2 from "node:http2";

export interface HttpAnswer {
  readonly status: number;
  readonly headers: http2.IncomingHttpHeaders;
  readonly trailers: http2.IncomingHttpHeaders;
  readonly text: string;
  readonly bytes: Buffer;
  /** The error code of a stream that was torn down; 0 for one that ended. */
  readonly rst: number;
}

export interface HttpRequest {
  readonly method?: string;
  readonly path: string;
  readonly headers?: http2.OutgoingHttpHeaders;
  readonly body?: string | Uint8Array;
}

/** One HTTP/2 connection, for tests. */
export interface Http2Client extends Disposable {
  readonly session: http2.ClientHttp2Session;
  request(request: HttpRequest): Promise<HttpAnswer>;
  /** A request whose pieces are seen as they come. */
  stream(request: HttpRequest & { readonly keepOpen?: boolean }): http2.ClientHttp2Stream;
}

export function connectHttp2(url: string, options: http2.SecureClientSessionOptions = {}): Http2Client {
  const session = http2.connect(url, options);
  session.on("error", () => {});
  const stream: Http2Client["stream"] = ({ method = "GET", path, headers = {}, body, keepOpen = false }) => {
    const opened = session.request(
      { ":method": method, ":path": path, ...headers },
      { endStream: body === undefined && !keepOpen },
    );
    opened.on("error", () => {});
    if (body !== undefined && keepOpen) opened.write(body);
    else if (body !== undefined) opened.end(body);
    return opened;
  };
  return {
    session,
    stream,
    request: (request) =>
      new Promise((resolve, reject) => {
        const opened = stream(request);
        const chunks: Buffer[] = [];
        let headers: http2.IncomingHttpHeaders = {};
        let trailers: http2.IncomingHttpHeaders = {};
        opened.on("response", (fields) => {
          headers = fields;
        });
        opened.on("trailers", (fields) => {
          trailers = fields;
        });
        opened.on("data", (chunk: Buffer) => chunks.push(chunk));
        opened.on("close", () => {
          if (headers[":status"] === undefined && opened.rstCode === 0) {
            reject(new Error("the connection ended before an answer"));
            return;
          }
          const bytes = Buffer.concat(chunks);
          const status = Number(headers[":status"] ?? 0);
          resolve({ status, headers, trailers, bytes, text: bytes.toString(), rst: opened.rstCode });
        });
      }),
    [Symbol.dispose]: () => session.destroy(),
  };
}
