export { type HttpRule, type HttpRules, httpRules, plainRule } from "./http-rule.ts";
export {
  buildRouteTable,
  type RouteEntry,
  type RouteMatch,
  type RouteTable,
  type UpgradeMatch,
} from "./route-table.ts";
export { parseTemplate, type Segment, type Template, TemplateError, type Variable } from "./template.ts";
