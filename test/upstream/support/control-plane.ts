import path from "node:path";
import { fileURLToPath } from "node:url";
import * as grpc from "@grpc/grpc-js";
import { loadSync, type MessageTypeDefinition } from "@grpc/proto-loader";

/** The protos of the xDS API come with the client of grpc-js. */
const protos = path.resolve(fileURLToPath(import.meta.resolve("@grpc/grpc-js-xds")), "../../../deps");

const definitions = loadSync(
  [
    "envoy/service/discovery/v3/ads.proto",
    "envoy/config/listener/v3/listener.proto",
    "envoy/config/route/v3/route.proto",
    "envoy/config/cluster/v3/cluster.proto",
    "envoy/config/endpoint/v3/endpoint.proto",
    "envoy/extensions/filters/network/http_connection_manager/v3/http_connection_manager.proto",
    "envoy/extensions/filters/http/router/v3/router.proto",
  ],
  {
    keepCase: true,
    longs: String,
    includeDirs: ["envoy-api", "xds", "googleapis", "protoc-gen-validate"].map((name) =>
      path.join(protos, name),
    ),
  },
);

interface Any {
  readonly type_url: string;
  readonly value: Uint8Array;
}

interface DiscoveryRequest {
  readonly type_url: string;
  readonly resource_names?: readonly string[];
  readonly response_nonce?: string;
  readonly error_detail?: { readonly message: string };
}

function any(type: string, message: object): Any {
  const definition = definitions[type] as MessageTypeDefinition<object, object>;
  return { type_url: `type.googleapis.com/${type}`, value: definition.serialize(message) };
}

export interface ControlPlane extends AsyncDisposable {
  readonly address: string;
  /** What a client would not take, in its words. */
  readonly refusals: readonly string[];
  /** From now on the cluster has these endpoints. */
  setEndpoints(ports: readonly { readonly port: number; readonly healthy?: boolean }[]): void;
}

/** An xDS management server (ADS, v3) that knows one listener by the name given, and one cluster behind it. */
export async function controlPlane(listener: string): Promise<ControlPlane> {
  let version = 1;
  let nonce = 0;
  let endpoints: readonly { readonly port: number; readonly healthy?: boolean }[] = [];
  const refusals: string[] = [];
  const resources: Readonly<Record<string, () => Any>> = {
    "type.googleapis.com/envoy.config.listener.v3.Listener": () =>
      any("envoy.config.listener.v3.Listener", {
        name: listener,
        api_listener: {
          api_listener: any(
            "envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
            {
              rds: { route_config_name: "routes", config_source: { ads: {}, resource_api_version: "V3" } },
              http_filters: [
                { name: "router", typed_config: any("envoy.extensions.filters.http.router.v3.Router", {}) },
              ],
            },
          ),
        },
      }),
    "type.googleapis.com/envoy.config.route.v3.RouteConfiguration": () =>
      any("envoy.config.route.v3.RouteConfiguration", {
        name: "routes",
        virtual_hosts: [
          {
            name: "all",
            domains: ["*"],
            routes: [{ match: { prefix: "/test.Echo/" }, route: { cluster: "echo" } }],
          },
        ],
      }),
    "type.googleapis.com/envoy.config.cluster.v3.Cluster": () =>
      any("envoy.config.cluster.v3.Cluster", {
        name: "echo",
        type: "EDS",
        eds_cluster_config: { eds_config: { ads: {}, resource_api_version: "V3" } },
        lb_policy: "ROUND_ROBIN",
      }),
    "type.googleapis.com/envoy.config.endpoint.v3.ClusterLoadAssignment": () =>
      any("envoy.config.endpoint.v3.ClusterLoadAssignment", {
        cluster_name: "echo",
        endpoints: [
          {
            locality: { region: "here" },
            load_balancing_weight: { value: 1 },
            lb_endpoints: endpoints.map(({ port, healthy = true }) => ({
              health_status: healthy ? "HEALTHY" : "UNHEALTHY",
              endpoint: { address: { socket_address: { address: "127.0.0.1", port_value: port } } },
            })),
          },
        ],
      }),
  };
  /** For each client, the names that it has asked for last, by type. */
  const streams = new Map<grpc.ServerDuplexStream<DiscoveryRequest, object>, Map<string, string>>();
  const send = (stream: grpc.ServerDuplexStream<DiscoveryRequest, object>, type: string): void => {
    const resource = resources[type];
    if (resource === undefined) return;
    stream.write({
      version_info: String(version),
      nonce: String(++nonce),
      type_url: type,
      resources: [resource()],
    });
  };
  const server = new grpc.Server();
  server.addService(
    definitions["envoy.service.discovery.v3.AggregatedDiscoveryService"] as grpc.ServiceDefinition,
    {
      StreamAggregatedResources(stream: grpc.ServerDuplexStream<DiscoveryRequest, object>) {
        const subscribed = new Map<string, string>();
        streams.set(stream, subscribed);
        stream.on("data", ({ type_url, error_detail, resource_names = [] }: DiscoveryRequest) => {
          if (error_detail !== undefined && error_detail !== null) refusals.push(error_detail.message);
          // A request for the same is an acknowledgement.
          const names = resource_names.join();
          if (subscribed.get(type_url) === names) return;
          subscribed.set(type_url, names);
          if (names !== "") send(stream, type_url);
        });
        stream.on("end", () => stream.end());
        stream.on("close", () => streams.delete(stream));
        stream.on("error", () => {});
      },
    },
  );
  const port = await new Promise<number>((resolve, reject) => {
    server.bindAsync("127.0.0.1:0", grpc.ServerCredentials.createInsecure(), (error, bound) => {
      if (error === null) resolve(bound);
      else reject(error);
    });
  });
  return {
    address: `127.0.0.1:${port}`,
    refusals,
    setEndpoints(now) {
      endpoints = now;
      version++;
      const type = "type.googleapis.com/envoy.config.endpoint.v3.ClusterLoadAssignment";
      for (const [stream, subscribed] of streams) if ((subscribed.get(type) ?? "") !== "") send(stream, type);
    },
    async [Symbol.asyncDispose]() {
      server.forceShutdown();
    },
  };
}
