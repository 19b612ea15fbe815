export { Channel } from "./channel.ts";
export type { EndpointState } from "./endpoint.ts";
export type { EndpointStatus } from "./endpoints.ts";
export {
  defaultHealth,
  defaultUpstream,
  type HealthOptions,
  type UpstreamOptions,
  type UpstreamTarget,
  type UpstreamTls,
} from "./options.ts";
export type { Lookup } from "./resolver.ts";
