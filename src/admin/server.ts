import http, { type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { tokenCheck } from "./authentication.ts";
import { statusPage } from "./page.ts";

/** Why the gateway is not ready; empty when it is. */
export type NotReadyReasons = readonly string[];

export interface AdminOptions {
  readonly host: string;
  readonly port: number;
  /** What callers must show, or `sha256:` and its hash; whoever can connect may ask when it is absent. */
  readonly token?: string | undefined;
  /** The text exposition format of Prometheus. */
  readonly metrics: () => string | Promise<string>;
  readonly notReady: () => NotReadyReasons | Promise<NotReadyReasons>;
  /** What `/api/NAME` shows, or a promise of it. Never credentials. */
  readonly views: Readonly<Record<string, () => unknown>>;
  /** What `POST /api/NAME` does. */
  readonly actions: Readonly<Record<string, () => Promise<ActionOutcome>>>;
}

/** How an action went: 200 when it was done, 422 when it was refused. */
export interface ActionOutcome {
  readonly done: boolean;
  readonly shown: unknown;
}

export interface Admin {
  readonly port: number;
  close(): Promise<void>;
}

/** Serves health, metrics and live state on an address of its own. Rejects when the port is taken. */
export async function startAdmin(options: AdminOptions): Promise<Admin> {
  const { token } = options;
  const authenticates = token === undefined ? undefined : tokenCheck(token);
  const server = http.createServer((request, response) => {
    answer(request, response, options, authenticates).catch(() => {
      if (!response.headersSent) send(response, 500, { error: "internal error" });
      else response.destroy();
    });
  });
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen({ host: options.host, port: options.port }, () => {
      server.off("error", reject);
      resolve();
    });
  });
  return {
    port: (server.address() as AddressInfo).port,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

async function answer(
  request: IncomingMessage,
  response: ServerResponse,
  options: AdminOptions,
  authenticates: ((authorization: string | undefined) => boolean) | undefined,
): Promise<void> {
  const path = (request.url ?? "").split("?", 1)[0] ?? "";
  if (!isFromHere(request, authenticates !== undefined)) {
    send(response, 403, { error: "the admin answers requests for a loopback address alone" });
    return;
  }
  if (authenticates !== undefined && !authenticates(request.headers.authorization)) {
    await refuseStranger(path, response, options);
    return;
  }
  const name = path.startsWith("/api/") ? path.slice("/api/".length) : undefined;
  const action =
    name !== undefined && Object.hasOwn(options.actions, name) ? options.actions[name] : undefined;
  const wanted = action === undefined ? ["GET", "HEAD"] : ["POST"];
  const known =
    action !== undefined ||
    fixedPaths.has(path) ||
    (name !== undefined && Object.hasOwn(options.views, name));
  if (!known) {
    send(response, 404, { error: "no such path" });
    return;
  }
  if (!wanted.includes(request.method ?? "")) {
    response.setHeader("allow", wanted.join(", "));
    send(response, 405, { error: "this path does not take that HTTP method" });
    return;
  }
  if (action !== undefined) {
    request.resume();
    const { done, shown } = await action();
    send(response, done ? 200 : 422, shown);
  } else if (name !== undefined) send(response, 200, await options.views[name]?.());
  else await answerFixed(path, response, options);
}

const fixedPaths: ReadonlySet<string> = new Set(["/", "/livez", "/readyz", "/metrics"]);

async function answerFixed(
  path: string,
  response: ServerResponse,
  { metrics, notReady }: AdminOptions,
): Promise<void> {
  switch (path) {
    case "/livez":
      send(response, 200, { status: "alive" });
      return;
    case "/readyz": {
      const reasons = await notReady();
      send(
        response,
        reasons.length === 0 ? 200 : 503,
        reasons.length === 0 ? { status: "ready" } : { status: "not ready", reasons },
      );
      return;
    }
    case "/metrics": {
      const text = await metrics();
      response.writeHead(200, { "content-type": "text/plain; version=0.0.4; charset=utf-8" });
      response.end(text);
      return;
    }
    default:
      response.writeHead(200, {
        "content-type": "text/html; charset=utf-8",
        "content-security-policy":
          "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; connect-src 'self'",
        "x-frame-options": "DENY",
      });
      response.end(statusPage);
  }
}

/** Probes have no credentials: they hear whether, and not why. */
async function refuseStranger(
  path: string,
  response: ServerResponse,
  { notReady }: AdminOptions,
): Promise<void> {
  if (path === "/livez") send(response, 200, { status: "alive" });
  else if (path === "/readyz") {
    const isReady = (await notReady()).length === 0;
    send(response, isReady ? 200 : 503, { status: isReady ? "ready" : "not ready" });
  } else {
    response.setHeader("www-authenticate", ['Bearer realm="admin"', 'Basic realm="admin"']);
    send(response, 401, { error: "the admin wants its token" });
  }
}

/**
 * No page of another origin, and only names that a web page elsewhere cannot have its own address resolve to: a page of that
 * name would have no token.
 */
function isFromHere(request: IncomingMessage, hasToken: boolean): boolean {
  const host = request.headers.host ?? "";
  if (!hasToken && !/^(?:localhost|127(?:\.\d{1,3}){3}|\[::1\])(?::\d+)?$/i.test(host)) return false;
  const { origin } = request.headers;
  return origin === undefined || origin === `http://${host}` || (hasToken && origin === `https://${host}`);
}

function send(response: ServerResponse, status: number, body: unknown): void {
  response.writeHead(status, { "content-type": "application/json", "cache-control": "no-store" });
  response.end(`${JSON.stringify(body, replacer, 2)}\n`);
}

const secret = /(?:password|secret|token|authorization|private|apikey|api_key)/i;

/** Credentials in the authority of a URL. */
const userInfo = /^([a-z][\w+.-]*:\/\/)[^/?#]*@/i;

/** The query of a URL, which some services take keys in. */
const query = /^([a-z][\w+.-]*:\/\/[^?#]*)\?[^#]*/i;

/** Maps as objects; texts, and lists, that are named like a secret are withheld, and so are credentials and queries of URLs. */
function replacer(key: string, value: unknown): unknown {
  if (secret.test(key) && (typeof value === "string" || Array.isArray(value))) return "(withheld)";
  if (value instanceof Map) return Object.fromEntries(value);
  if (typeof value === "string")
    return value.replace(userInfo, "$1(withheld)@").replace(query, "$1?(withheld)");
  return typeof value === "bigint" ? value.toString() : value;
}
