import { z } from "zod";

const preset = z
  .enum(["strict", "envoy", "grpc-gateway", "google"])
  .describe(
    "What the switches below are where they are not set: those of the specification, or of another gateway.",
  );

/** Switches that a route may have of its own. */
export const callSwitches = {
  emitDefaults: z
    .union([z.enum(["none", "scalars", "all"]), z.boolean()])
    .optional()
    .describe(
      "What is printed of fields that are not set: nothing; scalars, lists and maps (true); or all, with null for those that have presence.",
    ),
  enumsAsInts: z.boolean().optional().describe("Print enum values as numbers."),
  protoNames: z.boolean().optional().describe("Print fields by their names in the proto."),
  unknownFields: z
    .enum(["reject", "ignore"])
    .optional()
    .describe("JSON fields that the message does not have."),
  caseInsensitiveEnums: z.boolean().optional().describe("Read names of enum values in any case."),
  unknownQuery: z
    .enum(["reject", "ignore"])
    .optional()
    .describe("Parameters that the message does not have."),
  ignoredParameters: z
    .array(z.string())
    .optional()
    .describe("Query parameters that are none of the message's."),
  plusInQuery: z.enum(["space", "plus"]).optional().describe("What + means in a query."),
  parameterValues: z
    .enum(["protojson", "go"])
    .optional()
    .describe("go: also what Go's strconv and time read, such as t, 0x10 in paths, inf and 1h30m."),
  unexpectedBody: z
    .enum(["reject", "ignore", "merge"])
    .optional()
    .describe('A body where the rule has none; merge: as if it said body: "*".'),
  fieldConflicts: z
    .enum(["reject", "path"])
    .optional()
    .describe("Two values for one field: refused, or that of the path counts."),
  queryBesideBody: z
    .enum(["reject", "ignore"])
    .optional()
    .describe("Parameters for fields that the body gives."),
  streamFormat: z
    .enum(["ndjson", "array", "grpc-gateway"])
    .optional()
    .describe(
      'How responses of streams are laid out for those who accept anything; grpc-gateway: {"result":...} lines.',
    ),
  emptyReply: z
    .enum(["json", "no_content"])
    .optional()
    .describe("The answer for google.protobuf.Empty: {} with 200, or nothing with 204."),
  systemParameters: z
    .boolean()
    .optional()
    .describe("Heed $alt, $fields and $prettyPrint, as Google's APIs do."),
};

/** Switches of the whole gateway. */
export const gatewaySwitches = {
  trailingSlash: z
    .enum(["strict", "strip", "redirect"])
    .optional()
    .describe("Slashes at the end of a path: part of it, nothing, or a redirect."),
  keptEscapes: z
    .enum(["slash", "reserved", "none"])
    .optional()
    .describe("Which escapes stay in variables over several segments."),
  everyColonIsVerb: z
    .boolean()
    .optional()
    .describe("What follows the last colon is a verb, even where no route has it."),
  routeConflicts: z
    .enum(["error", "first", "last"])
    .optional()
    .describe("Two rules for the same requests: an error, or which of them counts."),
  repeatedInPath: z
    .enum(["none", "csv", "pipes", "ssv", "tsv"])
    .optional()
    .describe("Whether paths may hold repeated fields, and what separates their values."),
  errors: z
    .enum(["status", "google"])
    .optional()
    .describe('google: {"error":{"code":404,"status":"NOT_FOUND",...}}.'),
  statusHeaders: z.boolean().optional().describe("Show grpc-status and grpc-message of errors as headers."),
  methodOverride: z.boolean().optional().describe("Heed x-http-method-override on POST."),
  formBodies: z
    .boolean()
    .optional()
    .describe("Take a POST of a form for the query of a GET, where the path has no POST."),
};

const callSchema = z.strictObject(callSwitches);
const gatewaySchema = z.strictObject(gatewaySwitches);

export const transcodingSchema = z.strictObject({
  preset: preset.optional(),
  ...callSwitches,
  ...gatewaySwitches,
});
export const routeTranscodingSchema = callSchema;

export type Preset = z.output<typeof preset>;
export type CallSwitches = z.output<typeof callSchema>;
export type GatewaySwitches = z.output<typeof gatewaySchema>;
