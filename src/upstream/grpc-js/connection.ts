import { isIP } from "node:net";
import {
  Channel,
  type ChannelCredentials,
  type ChannelOptions,
  connectivityState,
  credentials,
  Metadata,
  type StatusObject,
} from "@grpc/grpc-js";
import { splitAddress } from "../address.ts";
import type { UpstreamTls } from "../options.ts";
import type { ActiveCall, CallOwner, RawCall } from "./raw-call.ts";

export interface ConnectionOptions {
  /** `host:port`; an IPv6 host in brackets. */
  readonly address: string;
  /** `:authority` of the calls, and the host to check a certificate for; the address when absent. */
  readonly authority?: string;
  readonly tls: UpstreamTls | undefined;
  readonly maxMessageBytes: number;
}

/**
 * Milliseconds between pings while calls are under way. Servers by default take more than one in five minutes for abuse
 * (gRFC A8).
 */
const keepalive = { everyMs: 300_000, timeoutMs: 10_000 };

/** One connection: a grpc-js channel to one address that is used from the first attempt to connect to the first loss. */
export class Connection implements CallOwner {
  readonly #channel: Channel;
  readonly #target: string;
  readonly #calls: Set<ActiveCall>;
  readonly #onDrained: () => void;
  #lost = false;

  /** @param calls where the calls are kept that are under way; may be shared by the connections of one endpoint */
  constructor(
    options: ConnectionOptions,
    channelCredentials: ChannelCredentials,
    calls: Set<ActiveCall>,
    onDrained: () => void,
  ) {
    this.#channel = new Channel(targetOf(options.address), channelCredentials, channelOptions(options));
    this.#target = this.#channel.getTarget();
    this.#calls = calls;
    this.#onDrained = onDrained;
  }

  get lost(): boolean {
    return this.#lost;
  }

  /** Connects, and tells of each change of state until closed. Call once. */
  watch(listener: (state: connectivityState) => void): void {
    const follow = (state: connectivityState): void => {
      this.#channel.watchConnectivityState(state, Number.POSITIVE_INFINITY, () => {
        const next = this.#channel.getConnectivityState(false);
        if (state === connectivityState.READY) this.#lost = true;
        listener(next);
        if (next !== connectivityState.SHUTDOWN) follow(next);
      });
    };
    follow(this.#channel.getConnectivityState(true));
  }

  /** Why there is no connection, in the words of grpc-js, which tells them only to a call. For the log. */
  whyNot(): Promise<string> {
    return new Promise((resolve) => {
      const call = this.createCall("/");
      const onReceiveStatus = ({ details }: StatusObject): void => resolve(details);
      call.start(new Metadata(), { onReceiveMetadata() {}, onReceiveMessage() {}, onReceiveStatus });
    });
  }

  createCall(path: string): RawCall {
    return this.#channel.createCall(path, Number.POSITIVE_INFINITY, null, null, null);
  }

  /** Until a call has an HTTP/2 stream, its peer is the target of the channel. */
  started(call: RawCall): boolean {
    const peer = call.getPeer();
    return peer !== this.#target && peer !== "unknown";
  }

  add(call: ActiveCall): void {
    this.#calls.add(call);
  }

  remove(call: ActiveCall): void {
    this.#calls.delete(call);
    if (this.#calls.size === 0) this.#onDrained();
  }

  /** Calls under way go on. */
  close(): void {
    this.#lost = true;
    this.#channel.close();
  }
}

export function createCredentials(tls: UpstreamTls | undefined): ChannelCredentials {
  if (tls === undefined) return credentials.createInsecure();
  return credentials.createSsl(tls.ca ?? null, tls.key ?? null, tls.cert ?? null);
}

/** An address needs no resolver; a host name is left to that of grpc-js. */
function targetOf(address: string): string {
  const family = isIP(splitAddress(address)?.host ?? "");
  return family === 0 ? `dns:${address}` : `ipv${family}:${address}`;
}

function channelOptions({ authority, tls, maxMessageBytes }: ConnectionOptions): ChannelOptions {
  return {
    ...commonChannelOptions(maxMessageBytes),
    "grpc.use_local_subchannel_pool": 1,
    "grpc.service_config_disable_resolution": 1,
    ...(authority === undefined ? {} : { "grpc.default_authority": authority }),
    ...(tls?.serverName === undefined ? {} : { "grpc.ssl_target_name_override": tls.serverName }),
  };
}

/** What every channel of the gateway has. Retries are the gateway's own. */
export function commonChannelOptions(maxMessageBytes: number): ChannelOptions {
  return {
    "grpc.enable_retries": 0,
    // Else a write counts as done before the connection has taken it.
    "grpc.per_rpc_retry_buffer_size": -1,
    "grpc.max_receive_message_length": maxMessageBytes,
    "grpc.max_send_message_length": -1,
    "grpc.keepalive_time_ms": keepalive.everyMs,
    "grpc.keepalive_timeout_ms": keepalive.timeoutMs,
    "grpc.primary_user_agent": "dragoman",
    "grpc.enable_http_proxy": 0,
    "grpc.enable_channelz": 0,
  };
}
