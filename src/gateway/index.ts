export { hashPassword } from "#filter/authn";
export { brokenRulesOf } from "./broken-rules.ts";
export { type Gateway, type GatewayOptions, startGateway } from "./gateway.ts";
export { type Plan, planGateway } from "./plan.ts";
export { StartError } from "./start-error.ts";
export { unreadableFiles } from "./unreadable-files.ts";
export { type RouteView, routeViews } from "./views.ts";
