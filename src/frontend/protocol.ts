import type { Call, Context, Handler, Reply, RpcError } from "#rpc";
import type { Cors } from "./cors.ts";
import type { Exchange, RequestHead } from "./exchange.ts";
import type { Routes } from "./routes.ts";

/** What routing found, as far as `serve` needs to know; each protocol adds its own. */
export interface Match {
  readonly handler: Handler;
  /** For logs and metrics. */
  readonly template: string;
  readonly cors: Cors | undefined;
}

/** How a client speaks RPC on an exchange. Stateless; one object serves all. */
export interface Protocol<M extends Match = Match> {
  readonly name: string;
  /** Whether a request speaks this protocol; the first that says so gets it. */
  matches(head: RequestHead): boolean;
  /** Answers what asks about a route instead of calling it, such as OPTIONS. True when it has answered. */
  answer?(exchange: Exchange, routes: Routes): boolean;
  /** @throws RpcError for what no route takes */
  route(head: RequestHead, routes: Routes): M;
  /** The call that the request makes. Reads no body: the payload does when somebody needs it. @throws RpcError */
  read(exchange: Exchange, match: M, context: Context): Call;
  /**
   * Writes a reply, the end of a stream that fails half-way included. Resolves when all is handed to the socket, undefined
   * when it has been; rejects, or throws, only while nothing has been answered.
   */
  write(exchange: Exchange, match: M, call: Call, reply: Reply): Promise<void> | undefined;
  /** Answers with an error. Only while nothing has been answered. */
  fail(exchange: Exchange, error: RpcError, routes: Routes, context: Context, match: M | undefined): void;
}
