import { createHash } from "node:crypto";
import { readFile } from "node:fs/promises";
import { createServer, type IncomingMessage, type OutgoingHttpHeaders, type ServerResponse } from "node:http";
import path from "node:path";
import { WebSocketServer } from "ws";
import { packageRoot } from "./package-root.ts";

/** The plain HTTP server of the example, to which a gateway passes `/examples/**` through. */
export interface ExampleWeb {
  /** `http://host:port` */
  readonly url: string;
  close(): Promise<void>;
}

interface Page {
  readonly body: Buffer;
  readonly headers: OutgoingHttpHeaders;
}

/** What is served where: files of the `examples` folder. */
const files: Readonly<Record<string, string>> = {
  "/examples/": "index.html",
  "/examples/chat": "chat/index.html",
};

/** Where a WebSocket gets back whatever it sends. */
const echoPath = "/examples/echo";

/** Serves the pages of the example and a WebSocket echo. @param port 0 for any free one */
export async function startWeb(port = 0): Promise<ExampleWeb> {
  const pages = new Map<string, Page>();
  for (const [at, file] of Object.entries(files))
    pages.set(at, toPage(await readFile(path.join(packageRoot, "examples", file), "utf8")));
  const server = createServer((request, response) => answer(pages, request, response));
  const echo = new WebSocketServer({ noServer: true, maxPayload: 1024 * 1024 });
  echo.on("connection", (socket) => {
    socket.on("message", (data, binary) => socket.send(data, { binary }));
    socket.on("error", () => socket.terminate());
  });
  server.on("upgrade", (request, socket, head) => {
    if (pathOf(request) === echoPath)
      echo.handleUpgrade(request, socket, head, (client) => echo.emit("connection", client, request));
    else socket.end("HTTP/1.1 404 Not Found\r\nconnection: close\r\ncontent-length: 0\r\n\r\n");
  });
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen(port, "127.0.0.1", resolve);
  });
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("the server has no port");
  return {
    url: `http://127.0.0.1:${address.port}`,
    close: async () => {
      for (const client of echo.clients) client.terminate();
      const closed = new Promise((resolve) => server.close(resolve));
      server.closeAllConnections();
      await closed;
    },
  };
}

function answer(pages: ReadonlyMap<string, Page>, request: IncomingMessage, response: ServerResponse): void {
  const at = pathOf(request);
  const page = pages.get(at);
  if (request.method !== "GET" && request.method !== "HEAD") {
    response.writeHead(405, { allow: "GET, HEAD" }).end();
  } else if (page !== undefined) {
    response.writeHead(200, page.headers).end(request.method === "HEAD" ? undefined : page.body);
  } else if (pages.has(`${at}/`)) {
    response.writeHead(308, { location: `${at}/` }).end();
  } else if (at === echoPath) {
    response.writeHead(426, { connection: "upgrade", upgrade: "websocket" }).end();
  } else {
    response.writeHead(404, { "content-type": "text/plain; charset=utf-8" }).end("There is no such page.\n");
  }
}

function pathOf(request: IncomingMessage): string {
  return (request.url ?? "/").split("?", 1)[0] ?? "/";
}

function toPage(html: string): Page {
  const body = Buffer.from(html);
  return {
    body,
    headers: {
      "content-type": "text/html; charset=utf-8",
      "content-length": body.length,
      "cache-control": "no-cache",
      "content-security-policy": [
        "default-src 'none'",
        `script-src ${inlineHashes(html, "script")}`,
        `style-src ${inlineHashes(html, "style")}`,
        "img-src 'self' data:",
        "connect-src 'self' ws: wss:",
        "base-uri 'none'",
        "form-action 'self'",
        "frame-ancestors 'none'",
      ].join("; "),
      "x-content-type-options": "nosniff",
      "referrer-policy": "no-referrer",
    },
  };
}

/** Allows the inline elements that the page has, and no others (CSP Level 3, 2.3.1). */
function inlineHashes(html: string, tag: "script" | "style"): string {
  const found = html.matchAll(new RegExp(`<${tag}>(.*?)</${tag}>`, "gs"));
  const hashes = [...found].map(
    ([, text = ""]) => `'sha256-${createHash("sha256").update(text).digest("base64")}'`,
  );
  return hashes.join(" ") || "'none'";
}
