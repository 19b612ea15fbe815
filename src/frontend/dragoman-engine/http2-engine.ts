import { Connection, type ConnectionEvents, type FieldSection, type Stream } from "#http2";
import { Code, TimingWheel } from "#rpc";
import type { Connection as Accepted, Engine, EngineOptions } from "../engine.ts";
import type { RequestHead } from "../exchange.ts";
import { noTunnels, notWebSocket, upgradeOverStream } from "../extended-connect.ts";
import type { Fields } from "../fields.ts";
import { badTarget, checkHead, isRefusal } from "../head.ts";
import { type Refusal, refusalAnswer } from "../refusal.ts";
import { Http2Exchange } from "./http2-exchange.ts";
import { duplexOf } from "./stream-duplex.ts";

/** Windows at the edge: a stream may send 64 KiB ahead, a connection 1 MiB. */
const streamWindow = 64 * 1024;
const connectionWindow = 1024 * 1024;

/** Milliseconds after which a client with open streams, of whom nothing is heard, is asked for a sign of life. */
const keepalive = { ms: 60_000, timeoutMs: 20_000 };

const nothing = new Uint8Array(0);

/** HTTP/2 by the gateway's own engine. */
export function createDragomanEngine(options: EngineOptions): Engine {
  const { limits, events, complete, count } = options;
  const connections = new Set<Connection>();
  let ending = false;
  const sections = { bytes: limits.headerBytes + limits.targetBytes, count: limits.headerCount };
  const exchangeOptions = {
    bodyIdleMs: limits.bodyIdleMs,
    wheel: new TimingWheel(),
    complete,
    onClosed: () => count(-1),
  };

  const refuse = (stream: Stream, status: number, fields: Fields, body: Uint8Array): void => {
    stream.stopsPeer = true;
    const all = [...complete(fields), "content-length", String(body.length)];
    stream.answer(status, all, body);
  };

  /** Heads of field lists that were seen before: lists are their connections' own. */
  const heads = new WeakMap<Fields, RequestHead>();

  /** The head of a section whose list of fields was seen before; undefined where that has to be looked at. */
  const knownHead = (section: FieldSection): RequestHead | undefined => {
    const known = section.repeated ? heads.get(section.fields) : undefined;
    const { path = "" } = section;
    if (known === undefined || known.target === path) return known;
    const { method, scheme, authority, fields, memo } = known;
    if (badTarget({ method, target: path }, limits) !== undefined) return undefined;
    return { method, scheme, authority, target: path, fields, memo };
  };

  const headFor = (accepted: Accepted, section: FieldSection): RequestHead | Refusal => {
    const head = headOf(accepted, section, options);
    if (!section.repeated || isRefusal(head)) return head;
    const { method, scheme, authority, target, fields } = head;
    const memo = { metadata: undefined, told: undefined, timeoutMs: undefined, accepted: undefined };
    const remembered = { method, scheme, authority, target, fields, memo };
    heads.set(section.fields, remembered);
    return remembered;
  };

  const begin = (stream: Stream, head: RequestHead, accepted: Accepted): void => {
    count(1);
    events.exchange(new Http2Exchange(stream, head, accepted.peer, exchangeOptions));
  };

  const request = (accepted: Accepted, stream: Stream, section: FieldSection): void => {
    const known = knownHead(section);
    if (known !== undefined && section.method !== "CONNECT") {
      begin(stream, known, accepted);
      return;
    }
    const head = headFor(accepted, section);
    if (isRefusal(head)) {
      const { fields, body } = refusalAnswer(head, section.fields);
      refuse(stream, head.status, fields, section.method === "HEAD" ? nothing : body);
      return;
    }
    if (section.method === "CONNECT") {
      events.upgrade(
        upgradeOverStream({
          head,
          peer: accepted.peer,
          stream: duplexOf(stream),
          accept: (status, fields) => stream.respond(status, complete(fields), false),
          refuse: (status, fields, body) => refuse(stream, status, fields, body),
        }),
      );
      return;
    }
    begin(stream, head, accepted);
  };

  return {
    serve(accepted) {
      const own: ConnectionEvents = {
        request: (stream, section) => request(accepted, stream, section),
        abused: (kind) => events.abused?.(kind, accepted.peer),
        closed: () => connections.delete(connection),
      };
      const connection = new Connection(accepted.socket, {
        role: "server",
        events: own,
        maxStreams: limits.streamsPerConnection,
        streamWindow,
        connectionWindow,
        sections,
        extendedConnect: true,
        headMs: limits.headMs,
        idleMs: limits.idleMs,
        stallMs: limits.bodyIdleMs,
        keepalive,
      });
      connections.add(connection);
      if (ending) connection.leave();
    },
    async announceEnd() {
      ending = true;
      await Promise.all([...connections].map((each) => new Promise<void>((resolve) => leave(each, resolve))));
    },
    async end() {
      await Promise.all(
        [...connections].map((each) => new Promise<void>((resolve) => closing(each, resolve))),
      );
    },
  };
}

function leave(connection: Connection, resolve: () => void): void {
  if (!connection.open) {
    resolve();
    return;
  }
  connection.socket.once("close", resolve);
  connection.leave(resolve);
}

function closing(connection: Connection, resolve: () => void): void {
  connection.socket.once("close", resolve);
  connection.leave();
}

function headOf(accepted: Accepted, section: FieldSection, { limits }: EngineOptions): RequestHead | Refusal {
  if (section.method === "CONNECT" && section.protocol !== "websocket") {
    return section.protocol === undefined ? noTunnels : notWebSocket;
  }
  if (section.tooLarge) {
    return {
      status: 431,
      code: Code.INVALID_ARGUMENT,
      message: `the header is larger than ${limits.headerBytes} bytes or ${limits.headerCount} fields`,
      reason: "header_too_large",
    };
  }
  const { method = "", authority, path = "", fields } = section;
  return checkHead({ method, authority, target: path, fields }, accepted, limits);
}
