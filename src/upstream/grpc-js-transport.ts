import {
  type ChannelOptions,
  Client,
  type ClientDuplexStream,
  connectivityState,
  credentials,
  type Metadata as GrpcMetadata,
  type ServiceError,
  type StatusObject,
} from "@grpc/grpc-js";
import { Code, Metadata } from "#rpc";
import { fromGrpcJs, toGrpcJs } from "./grpc-js-metadata.ts";
import type { UpstreamTls } from "./options.ts";
import type {
  Connectivity,
  Transport,
  TransportCall,
  TransportStreamReply,
  TransportUnaryReply,
} from "./transport.ts";
import { neverLeft, TransportError } from "./transport-error.ts";

export interface GrpcJsOptions {
  readonly address: string;
  readonly tls: UpstreamTls | undefined;
  readonly connectTimeoutMs: number;
  readonly maxMessageBytes: number;
}

const states: Readonly<Record<connectivityState, Connectivity>> = {
  [connectivityState.IDLE]: "idle",
  [connectivityState.CONNECTING]: "connecting",
  [connectivityState.READY]: "ready",
  [connectivityState.TRANSIENT_FAILURE]: "failed",
  [connectivityState.SHUTDOWN]: "closed",
};

const identity = (bytes: Buffer): Buffer => bytes;

/** Calls by `@grpc/grpc-js`: one channel of its own to one address, raw bytes, no balancing and no retries of its making. */
export class GrpcJsTransport implements Transport {
  readonly address: string;
  readonly #client: Client;
  readonly #listeners: ((connectivity: Connectivity) => void)[] = [];
  #state: connectivityState;
  #closed = false;
  #active = 0;
  #onIdle: (() => void) | undefined;

  constructor(options: GrpcJsOptions) {
    this.address = options.address;
    this.#client = new Client(options.address, channelCredentials(options.tls), channelOptions(options));
    this.#state = this.#client.getChannel().getConnectivityState(false);
    this.#follow();
  }

  get connectivity(): Connectivity {
    return this.#closed ? "closed" : states[this.#state];
  }

  connect(): void {
    if (!this.#closed) this.#client.getChannel().getConnectivityState(true);
  }

  onConnectivity(listener: (connectivity: Connectivity) => void): void {
    this.#listeners.push(listener);
  }

  unary(call: TransportCall, message: Uint8Array): Promise<TransportUnaryReply> {
    return new Promise((resolve, reject) => {
      let header: GrpcMetadata | undefined;
      let response: Buffer | undefined;
      let failure: ServiceError | null = null;
      const started = this.#client.makeUnaryRequest(
        call.path,
        identity,
        identity,
        asBuffer(message),
        toGrpcJs(call.header),
        call.deadline === undefined ? {} : { deadline: call.deadline },
        (error: ServiceError | null, value?: Buffer) => {
          failure = error;
          response = value;
        },
      );
      const onAbort = (): void => started.cancel();
      if (call.signal.aborted) onAbort();
      else call.signal.addEventListener("abort", onAbort, { once: true });
      this.#active++;
      started.on("metadata", (metadata: GrpcMetadata) => {
        header = metadata;
      });
      started.on("status", (status: StatusObject) => {
        call.signal.removeEventListener("abort", onAbort);
        this.#ended();
        if (failure === null && response !== undefined) {
          resolve({ header: fromGrpcJs(header), message: response, trailer: fromGrpcJs(status.metadata) });
        } else reject(failureOf(call, failure ?? status, header !== undefined));
      });
    });
  }

  stream(call: TransportCall, messages: AsyncIterable<Uint8Array>): Promise<TransportStreamReply> {
    const started: ClientDuplexStream<Buffer, Buffer> = this.#client.makeBidiStreamRequest(
      call.path,
      identity,
      identity,
      toGrpcJs(call.header),
      call.deadline === undefined ? {} : { deadline: call.deadline },
    );
    const exchange = new StreamExchange(started, call);
    this.#active++;
    exchange.ended.then(() => this.#ended());
    void exchange.send(messages);
    return exchange.header.then(() => ({
      header: exchange.receivedHeader,
      messages: exchange.receive(),
      trailer: exchange.trailer,
    }));
  }

  async close(graceMs: number): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    if (this.#active > 0) {
      let timer: NodeJS.Timeout | undefined;
      await Promise.race([
        new Promise<void>((resolve) => {
          this.#onIdle = resolve;
        }),
        new Promise<void>((resolve) => {
          timer = setTimeout(resolve, graceMs);
        }),
      ]);
      clearTimeout(timer);
    }
    this.#client.close();
  }

  #ended(): void {
    this.#active--;
    if (this.#active === 0) this.#onIdle?.();
  }

  #follow(): void {
    this.#client.getChannel().watchConnectivityState(this.#state, Number.POSITIVE_INFINITY, () => {
      if (this.#closed) return;
      this.#state = this.#client.getChannel().getConnectivityState(false);
      // A connection that ended is made anew at once, so that the endpoint comes back without waiting for a call.
      if (this.#state === connectivityState.IDLE) this.connect();
      for (const listener of this.#listeners) listener(this.connectivity);
      this.#follow();
    });
  }
}

/** One streaming call, from grpc-js' events to iterables. */
class StreamExchange {
  readonly header: Promise<void>;
  readonly ended: Promise<void>;
  receivedHeader = new Metadata();
  readonly trailer = new Metadata();
  readonly #stream: ClientDuplexStream<Buffer, Buffer>;
  readonly #call: TransportCall;
  #status: StatusObject | undefined;
  #hasHeader = false;
  /** What the source of the requests threw: the reason for which the call was cancelled. */
  #sourceFault: { readonly error: unknown } | undefined;
  #wake: (() => void) | undefined;
  #writable: (() => void) | undefined;

  constructor(stream: ClientDuplexStream<Buffer, Buffer>, call: TransportCall) {
    this.#stream = stream;
    this.#call = call;
    const onAbort = (): void => stream.cancel();
    if (call.signal.aborted) onAbort();
    else call.signal.addEventListener("abort", onAbort, { once: true });
    // The status says the same, and comes for calls that end well too.
    stream.on("error", () => {});
    stream.on("readable", () => this.#wake?.());
    stream.on("drain", () => this.#writable?.());
    let settle: () => void = () => {};
    this.ended = new Promise((resolve) => {
      settle = resolve;
    });
    this.header = new Promise((resolve, reject) => {
      stream.on("metadata", (metadata: GrpcMetadata) => {
        this.#hasHeader = true;
        this.receivedHeader = fromGrpcJs(metadata);
        resolve();
      });
      stream.on("status", (status: StatusObject) => {
        call.signal.removeEventListener("abort", onAbort);
        this.#status = status;
        if (status.code === Code.OK) {
          this.trailer.merge(fromGrpcJs(status.metadata));
          resolve();
        } else reject(this.#failure(status));
        this.#wake?.();
        this.#writable?.();
        settle();
      });
    });
    // Whoever awaits the header sees its rejection; nobody has to.
    this.header.catch(() => {});
  }

  async send(messages: AsyncIterable<Uint8Array>): Promise<void> {
    const source = messages[Symbol.asyncIterator]();
    try {
      while (this.#status === undefined) {
        const next = await source.next();
        if (next.done === true) break;
        if (this.#status !== undefined) break;
        if (!this.#stream.write(asBuffer(next.value))) {
          await new Promise<void>((resolve) => {
            this.#writable = resolve;
            if (this.#status !== undefined) resolve();
          });
        }
      }
      if (this.#status === undefined) this.#stream.end();
      else await source.return?.();
    } catch (error) {
      if (this.#status !== undefined) return;
      this.#sourceFault = { error };
      this.#stream.cancel();
    }
  }

  async *receive(): AsyncGenerator<Uint8Array> {
    try {
      for (;;) {
        const message: Buffer | null = this.#stream.read();
        if (message !== null) {
          yield message;
          continue;
        }
        if (this.#status !== undefined) {
          if (this.#status.code === Code.OK) return;
          throw this.#failure(this.#status);
        }
        await new Promise<void>((resolve) => {
          this.#wake = resolve;
        });
      }
    } finally {
      if (this.#status === undefined) this.#stream.cancel();
    }
  }

  #failure(status: StatusObject): unknown {
    return this.#sourceFault === undefined
      ? failureOf(this.#call, status, this.#hasHeader)
      : this.#sourceFault.error;
  }
}

/** Why a call failed: the caller's own reason when the caller ended it, else what the transport was told. */
function failureOf(call: TransportCall, status: ServiceError | StatusObject, answered: boolean): unknown {
  if (call.signal.aborted) return call.signal.reason;
  const progress = !answered && neverLeft(status.code, status.details) ? "not_started" : "processed";
  return new TransportError(status.code, status.details, fromGrpcJs(status.metadata), progress, answered);
}

function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

function channelCredentials(tls: UpstreamTls | undefined) {
  if (tls === undefined) return credentials.createInsecure();
  return credentials.createSsl(tls.ca ?? null, tls.key ?? null, tls.cert ?? null);
}

function channelOptions(options: GrpcJsOptions): ChannelOptions {
  return {
    "grpc.use_local_subchannel_pool": 1,
    "grpc.enable_retries": 0,
    "grpc.service_config_disable_resolution": 1,
    "grpc.max_receive_message_length": options.maxMessageBytes,
    "grpc.max_send_message_length": -1,
    "grpc.initial_reconnect_backoff_ms": 100,
    "grpc.min_reconnect_backoff_ms": 100,
    "grpc.max_reconnect_backoff_ms": 2000,
    "grpc.keepalive_time_ms": 30_000,
    "grpc.keepalive_timeout_ms": 10_000,
    "grpc.primary_user_agent": "dragoman",
    "grpc.enable_http_proxy": 0,
    "grpc-node.max_session_memory": Number.MAX_SAFE_INTEGER,
    ...(options.tls?.serverName === undefined
      ? {}
      : { "grpc.ssl_target_name_override": options.tls.serverName }),
  };
}
