import {
  type Call,
  type CallSignal,
  Code,
  type Context,
  Metadata,
  ownOrigin,
  type Reply,
  RpcError,
} from "#rpc";
import type { Logger } from "#telemetry";
import { type Edge, newContext } from "../context.ts";
import type { Cors } from "../cors.ts";
import { errorAnswer } from "../error-answer.ts";
import type { RequestHead, Upgrade } from "../exchange.ts";
import { field } from "../fields.ts";
import { forwardedTarget } from "../forwarded-path.ts";
import type { FieldLimits } from "../listener.ts";
import type { MethodRoute, PassThroughRoute, Route, Routes } from "../routes.ts";
import { refuse } from "../serve.ts";
import { statusToJson } from "../status.ts";
import { pathOf } from "../target.ts";
import { framedCall, type WebSocketCallOptions, webSocketCall } from "./calls.ts";
import { envelopeSubprotocol } from "./envelope.ts";
import { grpcWebSockets, readFields } from "./grpc-websockets.ts";
import { jsonSubprotocol } from "./json.ts";
import { negotiate } from "./negotiation.ts";
import { OpenSockets } from "./open-sockets.ts";
import { protoSubprotocol } from "./proto.ts";
import { sendReply } from "./send-reply.ts";
import { Session } from "./session.ts";
import type { WebSocketSettings } from "./settings.ts";
import type { Subprotocol } from "./subprotocol.ts";
import { tokenCookie } from "./token-cookie.ts";

export interface WebSocketFrontOptions extends Edge {
  readonly routes: () => Routes;
  readonly logger: Logger;
  readonly settings: WebSocketSettings;
  /** Of fields that come in a frame instead of a head. */
  readonly fieldLimits: FieldLimits;
  /** The call of an upgrade to a path that is passed through. */
  readonly passThrough: (
    upgrade: Upgrade,
    target: string,
    route: PassThroughRoute,
    context: Context,
    signal: CallSignal,
  ) => Call;
}

type Destination =
  | { readonly kind: "method"; readonly route: MethodRoute; readonly captures: readonly string[] }
  | { readonly kind: "passthrough"; readonly route: PassThroughRoute; readonly target: string };

/** Serves upgrades to WebSocket. Routing, origin, authentication and limits come before the upgrade is accepted. */
export class WebSocketFront {
  readonly #options: WebSocketFrontOptions;
  readonly #sessions = new Set<Session>();
  readonly #sockets: OpenSockets;
  #draining = false;

  constructor(options: WebSocketFrontOptions) {
    this.#options = options;
    this.#sockets = new OpenSockets(options.settings);
  }

  /** WebSockets that are open. */
  get open(): number {
    return this.#sockets.size;
  }

  /** Never throws. */
  upgrade(upgrade: Upgrade): void {
    this.#serve(upgrade).catch((cause) => {
      this.#options.logger.error("an upgrade failed by a defect of the gateway", { cause });
      upgrade.socket.destroy();
    });
  }

  /** Closes what is open with 1001; resolves when all are closed, or after `graceMs`. */
  async drain(graceMs: number): Promise<void> {
    this.#draining = true;
    for (const session of this.#sessions) session.goAway();
    await this.#sockets.end(graceMs);
  }

  async #serve(upgrade: Upgrade): Promise<void> {
    const { routes: current } = this.#options;
    const routes = current();
    let context: Context | undefined;
    let cors = routes.cors;
    try {
      let run: () => Promise<void>;
      try {
        if (this.#draining)
          throw new RpcError(Code.UNAVAILABLE, "the gateway is going away", { reason: "draining" });
        const destination = findDestination(upgrade.head.target, routes);
        cors = destination.kind === "method" ? destination.route.served.cors : destination.route.cors;
        context = newContext(upgrade, "websocket", destination.route.template, this.#options);
        run = this.#prepare(upgrade, destination, routes, cors, context);
      } catch (thrown) {
        context ??= newContext(upgrade, "websocket", "", this.#options);
        await refuse(routes, context, new AbortController().signal, RpcError.from(thrown));
        return;
      }
      await run();
    } catch (thrown) {
      if (upgrade.socket.destroyed) return;
      context ??= newContext(upgrade, "websocket", "", this.#options);
      const answer = errorAnswer(RpcError.from(thrown), {
        head: upgrade.head,
        context,
        errors: routes.errors,
        cors,
      });
      upgrade.refuse(answer.status, answer.fields, answer.body);
    }
  }

  /** What is left to do for an upgrade that may go on to the filters. @throws RpcError for one that may not */
  #prepare(
    upgrade: Upgrade,
    destination: Destination,
    routes: Routes,
    cors: Cors | undefined,
    context: Context,
  ): () => Promise<void> {
    checkOrigin(upgrade.head, context, cors);
    if (destination.kind === "passthrough")
      return () => this.#passThrough(upgrade, destination.target, destination.route, context);
    const { route, captures } = destination;
    const { settings, fieldLimits } = this.#options;
    const negotiated = negotiate(upgrade.head.fields);
    const { name, confirmed } = negotiated;
    const subprotocol = subprotocolOf(name, routes);
    const limit = route.served.messageBytes + subprotocol.overheadBytes;
    const head = new Metadata();
    const accept = () => this.#sockets.accept(upgrade, { confirmed, maxMessageBytes: limit, head });
    const session = new Session(subprotocol, settings, upgrade.socket, accept);
    const cookie =
      settings.tokenCookie === undefined
        ? undefined
        : tokenCookie(upgrade.head, settings.tokenCookie, ownOrigin(context), cors);
    const options = { upgrade, session, route, captures, token: negotiated.token, cookie, context, head };
    if (subprotocol.form === "frames") return () => this.#run(session, framed(options, fieldLimits), route);
    const call = webSocketCall(options);
    return () => this.#run(session, call, route);
  }

  async #passThrough(
    upgrade: Upgrade,
    target: string,
    route: PassThroughRoute,
    context: Context,
  ): Promise<void> {
    const gone = new AbortController();
    upgrade.socket.once("close", () =>
      gone.abort(new RpcError(Code.CANCELLED, "the client has gone", { reason: "client_gone" })),
    );
    await route.handler(this.#options.passThrough(upgrade, target, route, context, gone.signal));
  }

  /**
   * Resolves when the reply has begun, so that what led to it is not kept for as long as the WebSocket is open; rejects only
   * while the upgrade has not been accepted.
   */
  async #run(session: Session, made: Call | Promise<Call>, route: MethodRoute): Promise<void> {
    this.#sessions.add(session);
    let reply: Reply;
    try {
      reply = await route.served.handler(await made);
      session.accept();
    } catch (error) {
      if (session.accepted) this.#ended(session, { error });
      else {
        this.#sessions.delete(session);
        throw error;
      }
      return;
    }
    const { trailer } = reply;
    sendReply(session, reply, (failure) => this.#ended(session, failure, trailer));
  }

  #ended(session: Session, failure: { readonly error: unknown } | undefined, trailer?: Metadata): void {
    this.#sessions.delete(session);
    if (failure === undefined) {
      session.finish(undefined, trailer);
      return;
    }
    const error = RpcError.from(failure.error);
    if (error.reason === "internal") {
      this.#options.logger.error("a call failed by a defect of the gateway", { cause: error.cause });
    }
    session.finish(error);
  }
}

function streams(route: Route): boolean {
  return route.kind === "method" && route.served.method.kind !== "unary";
}

/** @throws RpcError 400 or 404 */
function findDestination(target: string, routes: Routes): Destination {
  const found = routes.table.matchUpgrade(pathOf(target), streams);
  switch (found.kind) {
    case "malformed":
      throw new RpcError(Code.INVALID_ARGUMENT, found.message, { reason: "malformed_path" });
    case "not_found":
      throw new RpcError(Code.NOT_FOUND, "no such path", { reason: "route_not_found" });
    case "ambiguous":
      throw new RpcError(
        Code.INVALID_ARGUMENT,
        `several methods are bound to this path: ${found.names.join(", ")}`,
        {
          reason: "malformed_path",
        },
      );
    case "found": {
      const { target: route, captures } = found;
      if (route.kind === "method") return { kind: "method", route, captures };
      // What is passed on is what was matched.
      const forwarded = forwardedTarget(target, route);
      return forwarded === target
        ? { kind: "passthrough", route, target }
        : findDestination(forwarded, routes);
    }
  }
}

/** Pages of other origins may not open sockets with this site's cookies. @throws RpcError 403 */
function checkOrigin(head: RequestHead, context: Context, cors: Cors | undefined): void {
  const origin = field(head.fields, "origin");
  if (origin === undefined || origin === ownOrigin(context) || cors?.allows(origin) === true) return;
  throw new RpcError(Code.PERMISSION_DENIED, "pages of this origin may not connect", {
    reason: "origin_denied",
  });
}

function subprotocolOf(name: string, routes: Routes): Subprotocol {
  switch (name) {
    case "dragoman.envelope":
      return envelopeSubprotocol((error) => statusToJson(error, routes.errors.any));
    case "dragoman.proto":
      return protoSubprotocol;
    case "grpc-websockets":
      return grpcWebSockets;
    default:
      return jsonSubprotocol;
  }
}

/** How long a page may take to send its fields, in milliseconds. */
const fieldsMs = 10_000;

/** The call of a page whose fields, credentials included, come only after the upgrade. */
async function framed(options: WebSocketCallOptions, limits: FieldLimits): Promise<Call> {
  const timer = setTimeout(() => options.session.terminate(), fieldsMs);
  try {
    const first = await options.session.first();
    return framedCall(options, readFields(first, limits));
  } finally {
    clearTimeout(timer);
  }
}
