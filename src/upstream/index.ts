export { Channel, type EndpointStatus } from "./channel.ts";
export {
  defaultHealth,
  type HealthOptions,
  type UpstreamOptions,
  type UpstreamTarget,
  type UpstreamTls,
} from "./options.ts";
export type { Connectivity, Transport, TransportCall } from "./transport.ts";
