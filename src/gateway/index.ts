export { hashPassword } from "#filter/authn";
export { openAdmin, reloaded } from "./admin.ts";
export { brokenRulesOf } from "./broken-rules.ts";
export {
  type Counts,
  type GateSettings,
  type Occupancy,
  OwnCounts,
  type UpstreamGate,
} from "./counts.ts";
export { type Gateway, type GatewayOptions, type SoleGateway, startGateway } from "./gateway.ts";
export { observeProcess } from "./observed-gauges.ts";
export { type Plan, planGateway } from "./plan.ts";
export { type Serving, startServing } from "./serving.ts";
export { StartError } from "./start-error.ts";
export { unreadableFiles } from "./unreadable-files.ts";
export { configView, occupied, type RouteView, routeViews, type UpstreamView } from "./views.ts";
