import { clock } from "./clock.ts";
import type { Connection } from "./connection.ts";
import { ConnectionFault, protocolError } from "./connection-fault.ts";
import { ErrorCode } from "./constants.ts";
import { ResetStreams } from "./reset-streams.ts";
import type { Breach, Stream } from "./stream.ts";

/** The ways in which the streams of a connection end (RFC 9113 5.1), and who is told. */
export class StreamEnds {
  readonly #connection: Connection;
  readonly #resetStreams = new ResetStreams();

  constructor(connection: Connection) {
    this.#connection = connection;
  }

  /** We have sent our end. */
  local(stream: Stream): void {
    if (stream.gone) return;
    if (stream.remoteEnded) {
      this.#forget(stream);
      this.#connection.streamEnded();
      // Once it has had time to see our end: there are clients that wait for ever where a reset comes together with the end
      // of the answer (node:http2 is one).
    } else if (stream.stopsPeer) stream.stoppingSince = clock.now;
  }

  /** The peer has sent its end. */
  remote(stream: Stream, trailers: readonly string[] | undefined): void {
    stream.remoteEnded = true;
    stream.consumer?.end(trailers);
    if (!stream.localEnded || stream.gone) return;
    this.#forget(stream);
    this.#connection.streamEnded();
  }

  /** Resets a stream. */
  reset(stream: Stream, code: number): void {
    this.#forget(stream);
    this.#sendReset(stream.id, code);
    this.#connection.streamEnded();
  }

  /** Resets a stream for a fault of the peer. */
  fault(stream: Stream, code: number, message: string): void {
    const { consumer } = stream;
    this.#connection.abuse.spend("resets", clock.now);
    this.reset(stream, code);
    consumer?.broken({ by: "rule", code, message });
  }

  /** Resets a stream that never came to be, or that has gone. */
  refuse(id: number, code: number): void {
    this.#connection.abuse.spend("resets", clock.now);
    this.#sendReset(id, code);
  }

  /** The peer has reset it. */
  byPeer(stream: Stream, code: number): void {
    this.broken(stream, { by: "peer", code });
    this.#connection.streamEnded();
  }

  /** Without a word to the peer. */
  broken(stream: Stream, breach: Breach): void {
    const { consumer } = stream;
    this.#forget(stream);
    consumer?.broken(breach);
  }

  breakAll(breach: Breach): void {
    for (const stream of this.#connection.streams.all()) this.broken(stream, breach);
  }

  /** A frame has come for a stream that is not open, or no longer. @param free it costs the peer nothing */
  late(id: number, what: "DATA" | "HEADERS", free: boolean): void {
    const connection = this.#connection;
    if (connection.isIdle(id)) throw protocolError(`${what} on a stream that nobody has opened`);
    if (free) connection.abuse.spend("idle_frames", clock.now);
    // What was sent before our reset or our GOAWAY came there is ignored (RFC 9113 5.1 and 6.8).
    if (this.#resetStreams.has(id) || connection.excludes(id)) return;
    if (what === "HEADERS" && connection.peerStreams.wasSkipped(id)) {
      throw protocolError("a stream with a lower number than one before it");
    }
    if (connection.isServer && id <= connection.peerStreams.last) {
      throw new ConnectionFault(ErrorCode.STREAM_CLOSED, `${what} on a stream that has ended`);
    }
  }

  #sendReset(id: number, code: number): void {
    this.#resetStreams.add(id);
    this.#connection.sender.output.rstStream(id, code);
    this.#connection.sender.touch();
  }

  /** Takes a stream out of the table, and gives back what it held of the connection's window. */
  #forget(stream: Stream): void {
    const connection = this.#connection;
    stream.gone = true;
    stream.dropQueue();
    connection.streams.remove(stream);
    if (stream.abandoned) connection.cancellations.remove(stream);
    connection.active();
    const { held } = stream;
    stream.held = 0;
    if (held > 0 && connection.isServer) connection.window.credit(held);
    stream.consumer?.closed?.();
  }
}
