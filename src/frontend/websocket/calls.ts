import { type Call, type CallBase, type Context, type Metadata, Payload } from "#rpc";
import type { Upgrade } from "../exchange.ts";
import { type Fields, field } from "../fields.ts";
import { forwardedMetadata } from "../forwarded.ts";
import { unpackFor } from "../framing/compression.ts";
import { readMessages } from "../framing/messages.ts";
import { requestDeadline, requestMetadata } from "../request-metadata.ts";
import type { MethodRoute } from "../routes.ts";
import { queryOf } from "../target.ts";
import { MessageRequests, wireOf } from "./message-requests.ts";
import type { Session } from "./session.ts";

export interface WebSocketCallOptions {
  readonly upgrade: Upgrade;
  readonly session: Session;
  readonly route: MethodRoute;
  readonly captures: readonly string[];
  /** Sent as a subprotocol. */
  readonly token: string | undefined;
  /** Sent as a cookie. */
  readonly cookie: string | undefined;
  readonly context: Context;
  /** Fields for the answer that accepts the upgrade. */
  readonly head: Metadata;
}

/** The call that a WebSocket makes; its messages are read, and the upgrade accepted, when somebody asks for them. */
export function webSocketCall(options: WebSocketCallOptions): Call {
  const { session, route, captures } = options;
  const { method, input } = route.served;
  const { fields, target } = options.upgrade.head;
  const base = { ...baseOf(options, requestMetadata({ fields }), fields), head: options.head };
  const single = isSingle(route);
  // A rule without a body says that path and query are the request: nothing is waited for.
  if (single && route.transcoder.rule.body === undefined) session.expectNoMessages();
  if (method.kind === "unary") {
    const request = Payload.deferred(() => sole(options), input);
    return { ...base, kind: "unary", request, show: (response) => session.show(response) };
  }
  const requests = single ? one(options) : new MessageRequests(session, route, captures, queryOf(target));
  return { ...base, kind: "stream", requests };
}

/** The same where messages come in gRPC's frames. @param fields those of the first frame */
export function framedCall(options: WebSocketCallOptions, fields: Fields): Call {
  const { session, route, upgrade } = options;
  const { served } = route;
  // What the handshake says of the caller holds, since a browser has said some of it, whatever the page names in `connection`;
  // what the page says comes on top.
  const header = requestMetadata({ fields });
  for (const [name, value] of requestMetadata(upgrade.head)) header.append(name, value);
  const base = baseOf(options, header, [...fields, ...upgrade.head.fields]);
  const unpack = unpackFor(field(fields, "grpc-encoding"), served.messageBytes);
  const requests = readMessages(pieces(session), served, unpack);
  if (served.method.kind !== "unary") return { ...base, kind: "stream", requests };
  const request = Payload.deferred(async () => {
    let wire: Uint8Array = new Uint8Array(0);
    for await (const payload of requests) wire = payload.proto();
    return wire;
  }, served.input);
  return { ...base, kind: "unary", request, show: (response) => session.show(response) };
}

function baseOf(options: WebSocketCallOptions, header: Metadata, fields: Fields): CallBase {
  const { upgrade, session, route, context } = options;
  // A token that a page sent beside another is not passed over: who has two must be told. Cookies come by themselves.
  const token = options.token ?? (header.has("authorization") ? undefined : options.cookie);
  if (token !== undefined) header.append("authorization", `Bearer ${token}`);
  forwardedMetadata(header, upgrade, context);
  const deadline = requestDeadline({ fields });
  return { method: route.served.method, header, deadline, signal: session.signal, context };
}

function isSingle({ served: { method } }: MethodRoute): boolean {
  return method.kind === "unary" || method.kind === "server_streaming";
}

async function* pieces(session: Session): AsyncGenerator<Uint8Array> {
  for (;;) {
    const piece = await session.next();
    if (piece === undefined) return;
    yield piece;
  }
}

async function sole(options: WebSocketCallOptions): Promise<Uint8Array> {
  const { session, route, captures, upgrade } = options;
  session.accept();
  const bytes = route.transcoder.rule.body === undefined ? undefined : await session.next();
  const wire = bytes === undefined ? undefined : wireOf(bytes, session, route);
  return route.transcoder.whole(captures, queryOf(upgrade.head.target), wire);
}

async function* one(options: WebSocketCallOptions): AsyncGenerator<Payload> {
  yield Payload.fromProto(await sole(options), options.route.served.input);
}
