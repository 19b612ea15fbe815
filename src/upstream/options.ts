/** TLS towards an upstream; PEM texts. */
export interface UpstreamTls {
  /** Whom to trust; the system's roots when absent. */
  readonly ca?: Buffer;
  /** The gateway's own identity, both or neither. */
  readonly cert?: Buffer;
  readonly key?: Buffer;
  /** The name to check the server's certificate for, when that is not the host of the address. */
  readonly serverName?: string;
}

export type TransportKind = "dragoman" | "grpc-js";

/** How the health of endpoints is asked (grpc.health.v1). */
export interface HealthOptions {
  readonly enabled: boolean;
  /** The service asked for; empty for the server as a whole. */
  readonly service: string;
  /** Ask by `Watch` first; else only by `Check`. */
  readonly watch: boolean;
  /** Milliseconds between two `Check`s. */
  readonly intervalMs: number;
  /** Milliseconds that one answer may take. */
  readonly timeoutMs: number;
  /** Failures in a row, or successes, that change the verdict. A clear NOT_SERVING counts at once. */
  readonly unhealthyAfter: number;
  readonly healthyAfter: number;
}

/** A named upstream, as parsed from the configuration. Calls go to its ready endpoints in turn. */
export interface UpstreamOptions {
  readonly name: string;
  readonly target: UpstreamTarget;
  readonly tls: UpstreamTls | undefined;
  readonly health: HealthOptions;
  /** Milliseconds that connecting to an endpoint, or waiting for any endpoint, may take. */
  readonly connectTimeoutMs: number;
  /** Bytes of one response message. */
  readonly maxMessageBytes: number;
  /** Whose HTTP/2 carries the calls: the gateway's own, or that of `@grpc/grpc-js`. */
  readonly transport: TransportKind;
}

/** `host:port` of each endpoint, a name that the DNS knows the addresses of, or one that an xDS control plane knows. */
export type UpstreamTarget =
  | { readonly kind: "static"; readonly addresses: readonly string[] }
  | { readonly kind: "dns"; readonly host: string; readonly port: number }
  /** `xds:///name`: carried by grpc-js, whatever the transport. */
  | { readonly kind: "xds"; readonly uri: string };

export const defaultHealth: HealthOptions = {
  enabled: true,
  service: "",
  watch: true,
  intervalMs: 5000,
  timeoutMs: 1000,
  unhealthyAfter: 2,
  healthyAfter: 1,
};

/** What an upstream has that says only its name and target. The message limit is gRPC's own default. */
export const defaultUpstream: Omit<UpstreamOptions, "name" | "target"> = {
  tls: undefined,
  health: defaultHealth,
  connectTimeoutMs: 2000,
  maxMessageBytes: 4 * 1024 * 1024,
  transport: "dragoman",
};
