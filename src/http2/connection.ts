import type { Socket } from "node:net";
import { AbuseGuard } from "./abuse.ts";
import { busyPoll, newSource } from "./busy-poll.ts";
import { Cancellations } from "./cancellations.ts";
import { clock, startTicking, stopTicking } from "./clock.ts";
import { ConnectionFault } from "./connection-fault.ts";
import type { ConnectionOptions } from "./connection-options.ts";
import { defaultMaxFrameSize, ErrorCode, maxWindow, preface } from "./constants.ts";
import { Deadlines } from "./deadlines.ts";
import { Departure } from "./departure.ts";
import { flushing } from "./flushing.ts";
import { FrameReader } from "./frame-reader.ts";
import { PeerStreams } from "./peer-streams.ts";
import { Pings } from "./pings.ts";
import { ReceiveWindow } from "./receive-window.ts";
import { Receiver } from "./receiver.ts";
import { Sender } from "./sender.ts";
import type { PeerSettings } from "./settings.ts";
import { SettingsExchange } from "./settings-exchange.ts";
import { Stream } from "./stream.ts";
import { StreamEnds } from "./stream-ends.ts";
import { StreamSlots } from "./stream-slots.ts";

/** Milliseconds for the peer to take note of our GOAWAY before the socket is torn down. */
const lingerMs = 1000;
/** What one side of a unary call comes in, with a window or a ping; more at once are of several calls. */
const framesOfCall = 5;

/** One HTTP/2 connection (RFC 9113), in either role, over a socket that is connected and, with TLS, secure. */
export class Connection {
  readonly socket: Socket;
  readonly options: ConnectionOptions;
  readonly streams = new StreamSlots();
  readonly abuse = new AbuseGuard();
  readonly sender: Sender;
  readonly ends = new StreamEnds(this);
  readonly cancellations = new Cancellations(this);
  readonly settings: SettingsExchange;
  readonly window: ReceiveWindow;
  readonly #pings: Pings;
  readonly #departure: Departure;
  readonly #deadlines: Deadlines;
  readonly #receiver: Receiver;
  readonly #reader: FrameReader;
  #state: "open" | "leaving" | "closing" | "closed" = "open";
  #prefaceLeft: number;
  readonly peerStreams = new PeerStreams();
  /** The next of ours. */
  #nextStream: number;
  #closingAt = 0;
  readonly #source = newSource();

  constructor(socket: Socket, options: ConnectionOptions) {
    this.socket = socket;
    this.options = options;
    startTicking(this);
    this.#deadlines = new Deadlines(this);
    this.sender = new Sender(socket, (stream) => this.ends.local(stream));
    this.settings = new SettingsExchange(options, this.sender);
    this.window = new ReceiveWindow(options, this.sender);
    this.#pings = new Pings(this.sender);
    this.#departure = new Departure(this.sender);
    this.#receiver = new Receiver(this);
    this.#reader = new FrameReader(defaultMaxFrameSize, this.#receiver);
    this.#prefaceLeft = options.role === "server" ? preface.length : 0;
    this.#nextStream = options.firstStream ?? 1;
    socket.on("data", (chunk: Buffer) => this.#receive(chunk));
    socket.on("drain", () => this.sender.resume());
    socket.on("end", () => this.#peerEnded());
    socket.on("error", () => {});
    socket.on("close", () => this.#lost());
    // It may have been paused when it was handed over.
    socket.resume();
    this.settings.introduce();
    this.window.open();
  }

  get isServer(): boolean {
    return this.options.role === "server";
  }

  /** What the peer has said of itself. */
  get peer(): PeerSettings {
    return this.settings.peer;
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

  /** Streams that somebody waits for; not those that only wait to be reset. */
  get live(): number {
    return this.streams.size - this.cancellations.waiting;
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
    // Out of identifiers (RFC 9113 5.1.1): what comes needs another connection.
    if (this.#nextStream >= maxWindow) {
      this.leave();
      this.options.events.goingAway?.(ErrorCode.NO_ERROR);
    }
    return stream;
  }

  /** Asks the peer for a sign of life. */
  ping(onAck: () => void): void {
    this.#pings.send(onAck);
  }

  /**
   * Ends the connection without losing anything (RFC 9113 6.8): a first GOAWAY that promises to take whatever is on its way,
   * a second one that says which was the last, and the end once all streams have ended. `onFixed` is called when it is known
   * which was the last, unless the connection is over before that.
   */
  leave(onFixed?: () => void): void {
    if (this.#state === "closing" || this.#state === "closed" || this.#departure.announced) return;
    this.#state = "leaving";
    const fixed = (): void => {
      this.#departure.goaway(this.peerStreams.last, ErrorCode.NO_ERROR, "");
      onFixed?.();
      this.#closeWhenDone();
    };
    if (this.isServer) this.#departure.giveNotice(this.#pings, fixed);
    else fixed();
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
    if (end) this.sentEnd(stream);
  }

  /** The end of our side of a stream was sent. */
  sentEnd(stream: Stream): void {
    stream.localEnded = true;
    this.ends.local(stream);
  }

  // What the receiver finds.

  /** Server: takes a stream that the peer has opened. Undefined when it is not to be served. */
  accept(id: number): Stream | undefined {
    this.peerStreams.opened(id);
    this.#deadlines.activeAt = clock.now;
    if (this.#departure.excludes(id)) return undefined;
    const stream = new Stream(this, id, this.peer.initialWindow, this.options.streamWindow, false);
    this.streams.add(stream);
    return stream;
  }

  /** The peer has opened, or we have, a stream with this identifier. */
  isIdle(id: number): boolean {
    const byPeer = ((id & 1) === 1) === this.isServer;
    return byPeer ? id > this.peerStreams.last : id >= this.#nextStream;
  }

  /** Server: a stream of the peer that our GOAWAY said would not be served. */
  excludes(id: number): boolean {
    return this.isServer && this.#departure.excludes(id);
  }

  peerSettings(payload: Buffer, start: number, end: number): void {
    const isFirst = !this.settings.settled;
    this.settings.received(payload, start, end, this.streams);
    if (isFirst) this.options.events.settled?.();
    this.options.events.room?.();
  }

  pingAcknowledged(payload: string): void {
    if (!this.#pings.acknowledged(payload)) this.abuse.spend("pings", clock.now);
  }

  peerLeaves(lastStreamId: number, code: number): void {
    if (this.#state === "open") this.#state = "leaving";
    if (!this.isServer) {
      for (const stream of this.streams.all()) {
        if (stream.id > lastStreamId) this.ends.broken(stream, { by: "goaway" });
      }
    }
    this.options.events.goingAway?.(code);
    if (!this.isServer) this.#closeWhenDone();
  }

  // What ends of streams come to.

  /** A stream has ended: there is room for another, or it was the last. */
  streamEnded(): void {
    if (!this.isServer) this.options.events.room?.();
    this.#closeWhenDone();
  }

  /** A stream has begun or ended. */
  active(): void {
    this.#deadlines.activeAt = clock.now;
  }

  // Life cycle.

  /** Looks at all deadlines. */
  tick(now: number): void {
    if (this.#state !== "closing") {
      this.#deadlines.check(now);
      if (this.cancellations.waiting > 0) this.cancellations.tick(now);
    } else if (now - this.#closingAt > lingerMs) this.destroy();
  }

  #receive(chunk: Buffer): void {
    if (this.#state === "closing" || this.#state === "closed") return;
    this.#deadlines.readAt = clock.now;
    const frames = this.frames;
    try {
      const from = this.#prefaceLeft > 0 ? this.#readPreface(chunk) : 0;
      if (from < chunk.length) this.#reader.read(from === 0 ? chunk : chunk.subarray(from));
    } catch (thrown) {
      if (!(thrown instanceof ConnectionFault)) throw thrown;
      this.fail(thrown);
    }
    flushing.eventEnds();
    busyPoll.eventEnded(this.#source, this.frames - frames <= framesOfCall);
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
    this.#departure.goaway(this.peerStreams.last, fault.code, fault.message);
    this.ends.breakAll({ by: "connection" });
    this.#close();
  }

  #closeWhenDone(): void {
    if (this.#state === "leaving" && this.live === 0 && !this.#departure.isOpen) this.#close();
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
    this.ends.breakAll({ by: "connection" });
    if (this.#state !== "closing" && this.#state !== "closed") this.#close();
  }

  #lost(): void {
    if (this.#state === "closed") return;
    this.#state = "closed";
    stopTicking(this);
    this.ends.breakAll({ by: "connection" });
    this.options.events.closed();
  }
}
