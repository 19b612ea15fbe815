import { Channel, type ChannelOptions, connectivityState, Metadata } from "@grpc/grpc-js";
import { type CallSignal, Code, RpcError } from "#rpc";
import type { UpstreamTls } from "../options.ts";
import type {
  Connectivity,
  Transport,
  TransportCall,
  TransportStreamReply,
  TransportUnarySink,
} from "../transport.ts";
import { abortReason, notConnected } from "../transport-error.ts";
import { commonChannelOptions, createCredentials } from "./connection.ts";
import type { ActiveCall, CallOwner, RawCall } from "./raw-call.ts";
import { streamCall } from "./stream.ts";
import { unaryCall } from "./unary.ts";

export interface XdsOptions {
  /** `xds:///name`, or `xds://authority/name`. */
  readonly target: string;
  /** For the case that the control plane says nothing of TLS (gRFC A29). */
  readonly tls: UpstreamTls | undefined;
  readonly maxMessageBytes: number;
  /** Told why there is no connection, for the log: once until there has been one again. */
  readonly onUnreachable?: (why: string) => void;
}

const states: Readonly<Record<connectivityState, Connectivity>> = {
  [connectivityState.IDLE]: "connecting",
  [connectivityState.CONNECTING]: "connecting",
  [connectivityState.READY]: "ready",
  [connectivityState.TRANSIENT_FAILURE]: "failed",
  [connectivityState.SHUTDOWN]: "closed",
};

/**
 * Calls by one channel of `@grpc/grpc-js` to a target that an xDS control plane knows (gRFC A27): routes, clusters, endpoints,
 * their health and the choice among them are the control plane's. To the gateway all of it is one endpoint. Where the control
 * plane is says the file that GRPC_XDS_BOOTSTRAP names.
 */
export class XdsTransport implements Transport, CallOwner {
  readonly address: string;
  readonly #options: XdsOptions;
  readonly #listeners: ((connectivity: Connectivity) => void)[] = [];
  readonly #calls = new Set<ActiveCall>();
  #connectivity: Connectivity = "idle";
  #channel: Channel | undefined;
  #channelTarget = "";
  #onDrained: (() => void) | undefined;
  #unreachable = false;

  constructor(options: XdsOptions) {
    this.address = options.target;
    this.#options = options;
  }

  get connectivity(): Connectivity {
    return this.#connectivity;
  }

  get inFlight(): number {
    return this.#calls.size;
  }

  /** A connection may be, but never the channel. */
  get lost(): boolean {
    return false;
  }

  connect(): void {
    if (this.#connectivity !== "idle") return;
    this.#become("connecting");
    this.#open().catch((error: unknown) => {
      this.#report(String(error));
      this.#become("failed");
    });
  }

  onConnectivity(listener: (connectivity: Connectivity) => void): void {
    this.#listeners.push(listener);
  }

  unary(call: TransportCall, message: Uint8Array, sink: TransportUnarySink): void {
    try {
      unaryCall(this.#createCall(call), this, call, message, sink);
    } catch (error) {
      sink.failed(error);
    }
  }

  async stream(call: TransportCall, messages: AsyncIterable<Uint8Array>): Promise<TransportStreamReply> {
    return streamCall(this.#createCall(call), this, call, messages);
  }

  async close(graceMs: number): Promise<void> {
    if (this.#connectivity === "closed") return;
    this.#become("closed");
    if (this.#calls.size > 0) await this.#drained(graceMs);
    const closing = new RpcError(Code.UNAVAILABLE, "the gateway is shutting down", { reason: "draining" });
    for (const call of [...this.#calls]) call.cancel(closing);
    this.#channel?.close();
  }

  // What calls need.

  /** Until a call has an HTTP/2 stream, its peer is the target of the channel. */
  started(call: RawCall): boolean {
    const peer = call.getPeer();
    return peer !== this.#channelTarget && peer !== "unknown";
  }

  add(call: ActiveCall): void {
    this.#calls.add(call);
  }

  remove(call: ActiveCall): void {
    this.#calls.delete(call);
    if (this.#calls.size === 0) this.#onDrained?.();
  }

  #createCall({ path, signal }: { readonly path: string; readonly signal: CallSignal }): RawCall {
    if (signal.aborted) throw abortReason(signal);
    if (this.#channel === undefined || this.#connectivity === "closed") throw notConnected();
    return this.#channel.createCall(path, Number.POSITIVE_INFINITY, null, null, null);
  }

  /** The client of the control plane is large: only those load it who use it. */
  async #open(): Promise<void> {
    const { register, XdsChannelCredentials } = await import("@grpc/grpc-js-xds");
    if (this.#connectivity === "closed") return;
    register();
    const { target, tls } = this.#options;
    const channel = new Channel(
      target,
      new XdsChannelCredentials(createCredentials(tls)),
      channelOptions(this.#options),
    );
    this.#channel = channel;
    this.#channelTarget = channel.getTarget();
    this.#follow(channel, channel.getConnectivityState(true));
  }

  #follow(channel: Channel, state: connectivityState): void {
    if (state === connectivityState.READY) this.#unreachable = false;
    if (state === connectivityState.TRANSIENT_FAILURE) this.#explain(channel);
    this.#become(states[state]);
    if (state === connectivityState.SHUTDOWN) return;
    channel.watchConnectivityState(state, Number.POSITIVE_INFINITY, () => {
      // Asked so, a channel without connections makes some.
      this.#follow(channel, channel.getConnectivityState(true));
    });
  }

  /** Why there is no connection grpc-js tells only to a call. */
  #explain(channel: Channel): void {
    if (this.#unreachable || this.#connectivity === "closed") return;
    const call = channel.createCall("/", Number.POSITIVE_INFINITY, null, null, null);
    call.start(new Metadata(), {
      onReceiveMetadata() {},
      onReceiveMessage() {},
      onReceiveStatus: ({ details }) => this.#report(details),
    });
  }

  #report(why: string): void {
    if (this.#unreachable || this.#connectivity === "closed") return;
    this.#unreachable = true;
    this.#options.onUnreachable?.(why);
  }

  #drained(graceMs: number): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, graceMs);
      this.#onDrained = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }

  #become(connectivity: Connectivity): void {
    if (this.#connectivity === "closed" || this.#connectivity === connectivity) return;
    this.#connectivity = connectivity;
    for (const listener of this.#listeners) listener(connectivity);
  }
}

function channelOptions({ tls, maxMessageBytes }: XdsOptions): ChannelOptions {
  return {
    ...commonChannelOptions(maxMessageBytes),
    ...(tls?.serverName === undefined ? {} : { "grpc.ssl_target_name_override": tls.serverName }),
  };
}
