import { clock } from "./clock.ts";
import type { Connection } from "./connection.ts";
import { protocolError, sizeError } from "./connection-fault.ts";
import { ErrorCode, Flag, maxWindow } from "./constants.ts";

/** The frames that carry no message (RFC 9113 6.3 to 6.9): what they mean, and what is wrong with them. */
export class ControlFrames {
  readonly #connection: Connection;
  #pings = 0;
  #windowUpdates = 0;

  constructor(connection: Connection) {
    this.#connection = connection;
  }

  priority(id: number, buffer: Buffer, start: number, end: number): void {
    const connection = this.#connection;
    if (id === 0) throw protocolError("PRIORITY without a stream");
    connection.abuse.spend("priorities", clock.now);
    const wrong =
      end - start !== 5
        ? ErrorCode.FRAME_SIZE_ERROR
        : (buffer.readUInt32BE(start) & maxWindow) === id
          ? ErrorCode.PROTOCOL_ERROR
          : undefined;
    if (wrong === undefined) return;
    const stream = connection.streams.get(id);
    if (stream !== undefined) connection.ends.fault(stream, wrong, "a PRIORITY that is none");
    else connection.ends.refuse(id, wrong);
  }

  rstStream(id: number, buffer: Buffer, start: number, end: number): void {
    const connection = this.#connection;
    if (id === 0) throw protocolError("RST_STREAM without a stream");
    if (end - start !== 4) throw sizeError("RST_STREAM");
    if (connection.isIdle(id)) throw protocolError("RST_STREAM on a stream that nobody has opened");
    const stream = connection.streams.get(id);
    if (connection.isServer) connection.abuse.spend("resets", clock.now);
    else if (stream === undefined) connection.abuse.spend("idle_frames", clock.now);
    if (stream !== undefined) connection.ends.byPeer(stream, buffer.readUInt32BE(start));
  }

  settings(flags: number, id: number, buffer: Buffer, start: number, end: number): void {
    if (id !== 0) throw protocolError("SETTINGS on a stream");
    if ((flags & Flag.ACK) !== 0) {
      if (end !== start) throw sizeError("SETTINGS");
      if (!this.#connection.settings.acknowledged()) this.#connection.abuse.spend("settings", clock.now);
      return;
    }
    if ((end - start) % 6 !== 0) throw sizeError("SETTINGS");
    this.#connection.abuse.spend("settings", clock.now);
    this.#connection.peerSettings(buffer, start, end);
  }

  ping(flags: number, id: number, buffer: Buffer, start: number, end: number): void {
    const connection = this.#connection;
    if (id !== 0) throw protocolError("PING on a stream");
    if (end - start !== 8) throw sizeError("PING");
    if ((flags & Flag.ACK) !== 0) {
      connection.pingAcknowledged(buffer.toString("latin1", start, end));
      return;
    }
    // Some measure the way with one for each piece of data (gRPC's BDP estimate).
    if (++this.#pings > connection.sender.output.dataFrames) connection.abuse.spend("pings", clock.now);
    connection.sender.output.ping(true, buffer, start);
    connection.sender.touch();
  }

  windowUpdate(id: number, buffer: Buffer, start: number, end: number): void {
    const connection = this.#connection;
    if (end - start !== 4) throw sizeError("WINDOW_UPDATE");
    const increment = buffer.readUInt32BE(start) & maxWindow;
    if (++this.#windowUpdates > 4 * connection.sender.output.dataFrames) {
      connection.abuse.spend("window_updates", clock.now);
    }
    if (id === 0) {
      if (increment === 0) throw protocolError("WINDOW_UPDATE of nothing");
      connection.sender.grow(increment);
      return;
    }
    const stream = connection.streams.get(id);
    if (stream === undefined) {
      if (connection.isIdle(id)) throw protocolError("WINDOW_UPDATE on a stream that nobody has opened");
      return;
    }
    if (increment === 0) {
      connection.ends.fault(stream, ErrorCode.PROTOCOL_ERROR, "WINDOW_UPDATE of nothing");
      return;
    }
    stream.sendWindow += increment;
    if (stream.sendWindow > maxWindow) {
      connection.ends.fault(stream, ErrorCode.FLOW_CONTROL_ERROR, "the window of the stream is too large");
      return;
    }
    connection.sender.pump(stream);
  }

  goaway(id: number, buffer: Buffer, start: number, end: number): void {
    if (id !== 0) throw protocolError("GOAWAY on a stream");
    if (end - start < 8) throw sizeError("GOAWAY");
    this.#connection.abuse.spend("idle_frames", clock.now);
    this.#connection.peerLeaves(buffer.readUInt32BE(start) & maxWindow, buffer.readUInt32BE(start + 4));
  }
}
