import { type Call, type Context, Payload } from "#rpc";
import type { Upgrade } from "../exchange.ts";
import { field } from "../fields.ts";
import { forwardedMetadata } from "../forwarded.ts";
import { requestDeadline, requestMetadata } from "../request-metadata.ts";
import type { MethodRoute } from "../routes.ts";
import { queryOf } from "../target.ts";
import type { Session } from "./session.ts";

export interface WebSocketCallOptions {
  readonly upgrade: Upgrade;
  readonly session: Session;
  readonly route: MethodRoute;
  readonly captures: readonly string[];
  /** Sent as a subprotocol. */
  readonly token: string | undefined;
  readonly context: Context;
}

/** The call that a WebSocket makes; its messages are read, and the upgrade accepted, when somebody asks for them. */
export function webSocketCall(options: WebSocketCallOptions): Call {
  const { upgrade, session, route, token, context } = options;
  const { method, input } = route.served;
  const header = requestMetadata(upgrade.head.fields);
  if (token !== undefined && field(upgrade.head.fields, "authorization") === undefined) {
    header.set("authorization", `Bearer ${token}`);
  }
  forwardedMetadata(header, upgrade, context);
  const base = { method, header, deadline: requestDeadline(upgrade.head), signal: session.signal, context };
  const single = method.kind === "unary" || method.kind === "server_streaming";
  // A rule without a body says that path and query are the request: nothing is waited for.
  if (single && route.transcoder.rule.body === undefined) session.expectNoMessages();
  if (method.kind === "unary")
    return { ...base, kind: "unary", request: Payload.deferred(() => sole(options), input) };
  return { ...base, kind: "stream", requests: single ? one(options) : many(options) };
}

async function sole({ session, route, captures, upgrade }: WebSocketCallOptions): Promise<Uint8Array> {
  session.accept();
  const json = route.transcoder.rule.body === undefined ? undefined : await session.next();
  return route.transcoder.whole(captures, queryOf(upgrade.head.target), json);
}

async function* one(options: WebSocketCallOptions): AsyncGenerator<Payload> {
  yield Payload.fromProto(await sole(options), options.route.served.input);
}

async function* many(options: WebSocketCallOptions): AsyncGenerator<Payload> {
  const { session, route, captures, upgrade } = options;
  const { input } = route.served;
  const query = queryOf(upgrade.head.target);
  let first = true;
  for (;;) {
    const json = await session.next();
    if (json === undefined) break;
    const wire = first ? route.transcoder.whole(captures, query, json) : route.transcoder.whole([], "", json);
    first = false;
    yield Payload.fromProto(wire, input);
  }
  // Without any message, what path and query say is one; with nothing said at all there is none.
  if (first && (captures.length > 0 || query !== "")) {
    yield Payload.fromProto(route.transcoder.whole(captures, query, undefined), input);
  }
}
