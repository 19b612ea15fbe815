export { buildRouteTable } from "./build-table.ts";
export {
  type ConfiguredRule,
  type HttpBinding,
  type HttpRule,
  type HttpRuleOptions,
  type HttpRules,
  httpRules,
  plainRule,
} from "./http-rule.ts";
export { type RoutingOptions, strictRouting } from "./options.ts";
export type { KeptEscapes } from "./percent.ts";
export type { RouteEntry, RouteMatch, RouteTable, UpgradeMatch } from "./route-table.ts";
export { parseTemplate, type Segment, type Template, TemplateError, type Variable } from "./template.ts";
