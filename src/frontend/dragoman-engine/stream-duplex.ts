import { Duplex } from "node:stream";
import { ErrorCode, type Stream } from "#http2";

/**
 * The bytes of a stream as a Duplex, for what is used to sockets. Ending it ends one direction; destroying it before both
 * have ended resets the stream. Takes the place of the stream's consumer.
 */
export function duplexOf(stream: Stream): Duplex {
  return new StreamDuplex(stream);
}

class StreamDuplex extends Duplex {
  readonly #stream: Stream;
  /** Bytes that nobody has read yet, and that are not given back to the client's window. */
  #unread = 0;
  #whenWritable: (() => void) | undefined;

  constructor(stream: Stream) {
    super({ allowHalfOpen: true });
    this.#stream = stream;
    stream.consumer = {
      data: (chunk) => {
        if (this.push(chunk)) stream.consumed(chunk.length);
        else this.#unread += chunk.length;
      },
      end: () => void this.push(null),
      broken: () => void this.destroy(),
      writable: () => this.#wake(),
    };
  }

  override _read(): void {
    const unread = this.#unread;
    this.#unread = 0;
    if (unread > 0) this.#stream.consumed(unread);
  }

  override _write(chunk: Buffer, _encoding: BufferEncoding, done: (error?: Error | null) => void): void {
    if (this.#stream.write(chunk)) done();
    else this.#whenWritable = done;
  }

  override _final(done: () => void): void {
    this.#stream.end();
    done();
  }

  override _destroy(error: Error | null, done: (error?: Error | null) => void): void {
    this.#wake();
    this.#stream.reset(ErrorCode.CANCEL);
    done(error);
  }

  #wake(): void {
    const wake = this.#whenWritable;
    this.#whenWritable = undefined;
    wake?.();
  }
}
