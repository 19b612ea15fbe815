import type { Socket } from "node:net";
import { AbuseGuard } from "./abuse.ts";
import { clock, startTicking, stopTicking } from "./clock.ts";
import { ConnectionFault } from "./connection-fault.ts";
import { defaultMaxFrameSize, defaultWindow, ErrorCode, maxWindow, preface, Setting } from "./constants.ts";
import { Deadlines } from "./deadlines.ts";
import type { FieldSection, SectionLimits } from "./field-section.ts";
import { FrameReader } from "./frame-reader.ts";
import { Receiver } from "./receiver.ts";
import { Sender } from "./sender.ts";
import { defaultSettings, type PeerSettings, readSettings } from "./settings.ts";
import { type Breach, Stream } from "./stream.ts";
import { StreamSlots } from "./stream-slots.ts";

/** What a connection tells whoever made it. None of these may throw. */
export interface ConnectionEvents {
  /** Server: a request. Whoever takes it sets the stream's consumer at once, or resets it. `head.tooLarge` is to be refused. */
  request?(stream: Stream, head: FieldSection): void;
  /** The peer's first settings have come. */
  settled?(): void;
  /** Client: it may have room for another stream. */
  room?(): void;
  /** The peer takes no new streams; those that run may end. */
  goingAway?(code: number): void;
  /** The connection was ended because of what the peer did. */
  abused?(kind: string): void;
  /** It is over; all streams have heard of it. */
  closed(): void;
}

export interface ConnectionOptions {
  readonly role: "server" | "client";
  readonly events: ConnectionEvents;
  /** Server: streams that the client may have open. */
  readonly maxStreams: number;
  /** Octets that the peer may send ahead, on a stream and in all. At least 65,535. */
  readonly streamWindow: number;
  readonly connectionWindow: number;
  readonly sections: SectionLimits;
  /** Server: RFC 8441 is offered. */
  readonly extendedConnect: boolean;
  /** Milliseconds for the preface, and for a header block, from its first octet to its last. */
  readonly headMs: number;
  /** Milliseconds without streams after which the connection ends; Infinity for never. */
  readonly idleMs: number;
  /** Milliseconds that the peer may leave unread what it was sent. */
  readonly stallMs: number;
  /** Sends a PING when nothing came for `ms`, and gives the connection up when nothing comes for `timeoutMs` more. */
  readonly keepalive?: { readonly ms: number; readonly timeoutMs: number };
}

/** Milliseconds for the peer to take note of our GOAWAY before the socket is torn down. */
const lingerMs = 1000;

/** Milliseconds for a client to hear of the coming end before its last stream is fixed. */
const noticeMs = 500;

/** Streams reset from here of which frames may still be on their way. */
const remembered = 128;

interface PendingPing {
  readonly payload: string;
  readonly onAck: () => void;
}

/** One HTTP/2 connection (RFC 9113), in either role, over a socket that is connected and, with TLS, secure. */
export class Connection {
  readonly socket: Socket;
  readonly options: ConnectionOptions;
  readonly peer: PeerSettings = defaultSettings();
  readonly streams = new StreamSlots();
  readonly abuse = new AbuseGuard();
  readonly sender: Sender;
  readonly #receiver: Receiver;
  readonly #reader: FrameReader;
  #state: "open" | "leaving" | "closing" | "closed" = "open";
  #prefaceLeft: number;
  #settled = false;
  /** Settings frames of ours that wait for acknowledgement. */
  #unacknowledged = 0;
  /** The last stream that the peer has opened, and the last that we have. */
  lastPeerStream = 0;
  #nextStream = 1;
  /** What our last GOAWAY said will still be served; undefined before there was one. */
  #promised: number | undefined;
  readonly #resetIds = new Int32Array(remembered);
  #resets = 0;
  #unannounced = 0;
  #pings: PendingPing[] = [];
  #pingCount = 0;
  #closingAt = 0;
  readonly #deadlines: Deadlines;

  constructor(socket: Socket, options: ConnectionOptions) {
    this.socket = socket;
    this.options = options;
    startTicking(this);
    this.#deadlines = new Deadlines(this);
    this.sender = new Sender(socket, (stream) => this.#localEnd(stream));
    this.#receiver = new Receiver(this);
    this.#reader = new FrameReader(defaultMaxFrameSize, this.#receiver);
    this.#prefaceLeft = options.role === "server" ? preface.length : 0;
    socket.on("data", (chunk: Buffer) => this.#receive(chunk));
    socket.on("drain", () => this.sender.resume());
    socket.on("end", () => this.#peerEnded());
    socket.on("error", () => {});
    socket.on("close", () => this.#lost());
    // It may have been paused when it was handed over.
    socket.resume();
    this.#introduce();
  }

  get isServer(): boolean {
    return this.options.role === "server";
  }

  /** The peer's first settings have come. */
  get settled(): boolean {
    return this.#settled;
  }

  /** New streams may be opened, by whichever side opens them. */
  get open(): boolean {
    return this.#state === "open";
  }

  /** A frame or a header block has begun and is not whole. */
  get incomplete(): boolean {
    return this.#reader.holding || this.#receiver.inBlock;
  }

  /** Frames that have come; those that only go on with a header block are not counted. */
  get frames(): number {
    return this.#receiver.frames;
  }

  /** Client: another stream would be taken now. */
  get hasRoom(): boolean {
    return this.open && this.streams.size < this.peer.maxConcurrentStreams && this.#nextStream < maxWindow;
  }

  /** Client: sends a request; pseudo-header fields first. Only while `hasRoom`. */
  request(fields: readonly string[], end: boolean, method = "POST"): Stream {
    const id = this.#nextStream;
    this.#nextStream += 2;
    const stream = new Stream(
      this,
      id,
      this.peer.initialWindow,
      this.options.streamWindow,
      method === "HEAD",
    );
    stream.headSent = true;
    this.streams.add(stream);
    this.#deadlines.activeAt = clock.now;
    this.sendHead(stream, 0, fields, end);
    return stream;
  }

  /** Asks the peer for a sign of life. */
  ping(onAck: () => void): void {
    const payload = Buffer.alloc(8);
    payload.writeUInt32BE(++this.#pingCount, 4);
    this.#pings.push({ payload: payload.toString("latin1"), onAck });
    this.sender.output.ping(false, payload, 0);
    this.sender.touch();
  }

  /**
   * Ends the connection without losing anything (RFC 9113 6.8): a first GOAWAY that promises to take whatever is on its way,
   * a second one that says which was the last, and the end once all streams have ended. `onFixed` is called when it is known
   * which was the last, unless the connection is over before that.
   */
  leave(onFixed?: () => void): void {
    if (this.#state !== "open") return;
    this.#state = "leaving";
    if (!this.isServer) {
      this.#goaway(0, ErrorCode.NO_ERROR, "");
      this.#closeWhenDone();
      return;
    }
    this.#goaway(maxWindow, ErrorCode.NO_ERROR, "");
    const fix = (): void => {
      clearTimeout(timer);
      if (this.#state !== "leaving" || this.#promised !== maxWindow) return;
      this.#goaway(this.lastPeerStream, ErrorCode.NO_ERROR, "");
      onFixed?.();
      this.#closeWhenDone();
    };
    const timer = setTimeout(fix, noticeMs);
    timer.unref();
    // The answer to a ping comes after every stream that the client opened before it heard.
    this.ping(fix);
  }

  /** Tears the connection down; streams are broken. */
  destroy(): void {
    this.socket.destroy();
    this.#lost();
  }

  // What streams ask for.

  sendHead(stream: Stream, status: number, fields: readonly string[], end: boolean): void {
    if (stream.gone) return;
    this.sender.head(stream.id, status, fields, end);
    if (!end) return;
    stream.localEnded = true;
    this.#localEnd(stream);
  }

  reset(stream: Stream, code: number): void {
    this.#forget(stream, true);
    this.sender.output.rstStream(stream.id, code);
    this.sender.touch();
    this.#ended();
  }

  /** Gives back to the peer what was taken from the windows of a stream and of the connection. */
  release(stream: Stream, octets: number): void {
    const given = Math.min(octets, stream.held);
    stream.held -= given;
    if (this.isServer) this.credit(given);
    if (stream.remoteEnded || stream.gone) return;
    stream.unannounced += given;
    if (stream.unannounced < this.options.streamWindow / 2) return;
    this.sender.output.windowUpdate(stream.id, stream.unannounced);
    this.sender.touch();
    stream.receiveWindow += stream.unannounced;
    stream.unannounced = 0;
  }

  credit(octets: number): void {
    this.#unannounced += octets;
    if (this.#unannounced < this.options.connectionWindow / 2) return;
    this.sender.output.windowUpdate(0, this.#unannounced);
    this.sender.touch();
    this.#receiver.window += this.#unannounced;
    this.#unannounced = 0;
  }

  // What the receiver finds.

  /** Server: takes a stream that the peer has opened. Undefined when it is not to be served. */
  accept(id: number): Stream | undefined {
    this.lastPeerStream = id;
    this.#deadlines.activeAt = clock.now;
    if (this.#promised !== undefined && id > this.#promised) return undefined;
    const stream = new Stream(this, id, this.peer.initialWindow, this.options.streamWindow, false);
    this.streams.add(stream);
    return stream;
  }

  /** The peer has opened, or we have, a stream with this identifier. */
  isIdle(id: number): boolean {
    const byPeer = ((id & 1) === 1) === this.isServer;
    return byPeer ? id > this.lastPeerStream : id >= this.#nextStream;
  }

  /** It was reset from here, so that frames for it may still come. */
  wasReset(id: number): boolean {
    return this.#resetIds.includes(id);
  }

  /** Ends one stream for a fault of the peer. */
  streamFault(stream: Stream, code: number, message: string): void {
    const { consumer } = stream;
    this.abuse.spend("resets", clock.now);
    this.reset(stream, code);
    consumer?.broken({ by: "rule", code, message });
  }

  /** Resets a stream that never came to be, or that has gone. */
  refuse(id: number, code: number): void {
    this.abuse.spend("resets", clock.now);
    this.#remember(id);
    this.sender.output.rstStream(id, code);
    this.sender.touch();
  }

  peerReset(stream: Stream, code: number): void {
    const { consumer } = stream;
    this.#forget(stream, false);
    consumer?.broken({ by: "peer", code });
    this.#ended();
  }

  remoteEnd(stream: Stream, trailers: readonly string[] | undefined): void {
    stream.remoteEnded = true;
    stream.consumer?.end(trailers);
    if (stream.localEnded && !stream.gone) {
      this.#forget(stream, false);
      this.#ended();
    }
  }

  settings(payload: Buffer, start: number, end: number): void {
    const before = this.peer.initialWindow;
    readSettings(this.peer, payload, start, end, this.isServer ? "client" : "server");
    this.sender.configure(this.peer.headerTableSize, this.peer.maxFrameSize);
    this.sender.output.settingsAck();
    this.sender.touch();
    const change = this.peer.initialWindow - before;
    if (change !== 0) {
      for (const stream of this.streams.all()) {
        stream.sendWindow += change;
        if (stream.sendWindow > maxWindow)
          throw new ConnectionFault(ErrorCode.FLOW_CONTROL_ERROR, "a window is too large");
        this.sender.pump(stream);
      }
    }
    if (!this.#settled) {
      this.#settled = true;
      this.options.events.settled?.();
    }
    this.options.events.room?.();
  }

  settingsAcknowledged(): void {
    if (this.#unacknowledged === 0) return;
    this.#unacknowledged--;
    if (this.#unacknowledged === 0) this.#deadlines.settingsSince = 0;
  }

  pingAcknowledged(payload: string): void {
    const at = this.#pings.findIndex((ping) => ping.payload === payload);
    if (at < 0) {
      this.abuse.spend("pings", clock.now);
      return;
    }
    const [ping] = this.#pings.splice(at, 1);
    ping?.onAck();
  }

  peerLeaves(lastStreamId: number, code: number): void {
    if (this.#state === "open") this.#state = "leaving";
    if (!this.isServer) {
      for (const stream of this.streams.all()) {
        if (stream.id <= lastStreamId) continue;
        const { consumer } = stream;
        this.#forget(stream, false);
        consumer?.broken({ by: "goaway" });
      }
    }
    this.options.events.goingAway?.(code);
    if (!this.isServer) this.#closeWhenDone();
  }

  // Life cycle.

  /** Looks at all deadlines. */
  tick(now: number): void {
    if (this.#state !== "closing") this.#deadlines.check(now);
    else if (now - this.#closingAt > lingerMs) this.destroy();
  }

  #introduce(): void {
    const { options } = this;
    const { output } = this.sender;
    const settings: [number, number][] = [
      [Setting.INITIAL_WINDOW_SIZE, options.streamWindow],
      [Setting.MAX_HEADER_LIST_SIZE, options.sections.bytes],
    ];
    if (this.isServer) {
      settings.push([Setting.MAX_CONCURRENT_STREAMS, options.maxStreams]);
      if (options.extendedConnect) settings.push([Setting.ENABLE_CONNECT_PROTOCOL, 1]);
    } else {
      output.raw(preface);
      settings.push([Setting.ENABLE_PUSH, 0]);
    }
    output.settings(settings);
    this.#unacknowledged++;
    this.#deadlines.settingsSince = clock.now;
    output.windowUpdate(0, options.connectionWindow - defaultWindow);
    this.#receiver.window = options.connectionWindow;
    this.sender.touch();
  }

  #receive(chunk: Buffer): void {
    if (this.#state === "closing" || this.#state === "closed") return;
    this.#deadlines.readAt = clock.now;
    try {
      const from = this.#prefaceLeft > 0 ? this.#readPreface(chunk) : 0;
      if (from < chunk.length) this.#reader.read(from === 0 ? chunk : chunk.subarray(from));
    } catch (thrown) {
      if (!(thrown instanceof ConnectionFault)) throw thrown;
      this.fail(thrown);
    }
  }

  #readPreface(chunk: Buffer): number {
    const at = preface.length - this.#prefaceLeft;
    const size = Math.min(this.#prefaceLeft, chunk.length);
    if (chunk.compare(preface, at, at + size, 0, size) !== 0) {
      throw new ConnectionFault(ErrorCode.PROTOCOL_ERROR, "no preface of HTTP/2");
    }
    this.#prefaceLeft -= size;
    return size;
  }

  /** Ends the connection for a fault of the peer. */
  fail(fault: ConnectionFault): void {
    if (this.#state === "closing" || this.#state === "closed") return;
    if (fault.abuse !== undefined) this.options.events.abused?.(fault.abuse);
    this.#reader.stop();
    this.#goaway(this.lastPeerStream, fault.code, fault.message);
    this.#breakAll({ by: "connection" });
    this.#close();
  }

  #goaway(lastStreamId: number, code: number, debug: string): void {
    this.#promised = lastStreamId;
    this.sender.output.goaway(lastStreamId, code, debug);
    this.sender.touch();
  }

  #closeWhenDone(): void {
    if (this.#state === "leaving" && this.streams.size === 0 && this.#promised !== maxWindow) this.#close();
  }

  /** Sends what is left, and the end. */
  #close(): void {
    this.#state = "closing";
    this.#closingAt = clock.now;
    this.sender.flush();
    this.socket.end();
  }

  #peerEnded(): void {
    // Half a connection is of no use in HTTP/2; what is written still leaves.
    this.#breakAll({ by: "connection" });
    if (this.#state !== "closing" && this.#state !== "closed") this.#close();
  }

  #lost(): void {
    if (this.#state === "closed") return;
    this.#state = "closed";
    stopTicking(this);
    this.#breakAll({ by: "connection" });
    this.options.events.closed();
  }

  #breakAll(breach: Breach): void {
    for (const stream of this.streams.all()) {
      const { consumer } = stream;
      this.#forget(stream, false);
      consumer?.broken(breach);
    }
  }

  #localEnd(stream: Stream): void {
    if (stream.gone) return;
    if (!stream.remoteEnded) {
      if (stream.stopsPeer) this.#stopPeer(stream);
      return;
    }
    this.#forget(stream, false);
    this.#ended();
  }

  /**
   * Has a peer that still sends stop, once it has had time to see our end: there are clients that wait for ever where a reset comes
   * together with the end of the answer (node:http2 is one).
   */
  #stopPeer(stream: Stream): void {
    stream.stoppingSince = clock.now;
  }

  /** A stream has ended: there is room for another, or it was the last. */
  #ended(): void {
    if (!this.isServer) this.options.events.room?.();
    this.#closeWhenDone();
  }

  /** Takes a stream out of the table, and gives back what it held of the connection's window. */
  #forget(stream: Stream, byUs: boolean): void {
    stream.gone = true;
    stream.queue = [];
    stream.queued = 0;
    this.streams.remove(stream);
    this.#deadlines.activeAt = clock.now;
    if (byUs) this.#remember(stream.id);
    const { held } = stream;
    stream.held = 0;
    if (held > 0 && this.isServer) this.credit(held);
    stream.consumer?.closed?.();
  }

  #remember(id: number): void {
    this.#resetIds[this.#resets++ % remembered] = id;
  }
}
