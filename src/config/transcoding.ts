import type { CallSwitches, GatewaySwitches, Preset } from "./transcoding-schema.ts";

type Complete<T> = { readonly [K in keyof T]-?: Exclude<T[K], undefined> };

/** How the messages of one method are shown and read. */
export type CallTranscoding = Complete<Omit<CallSwitches, "emitDefaults">> & {
  readonly emitDefaults: "none" | "scalars" | "all";
};

/** The same for all methods, and what holds for the gateway as a whole. */
export type Transcoding = CallTranscoding & Complete<GatewaySwitches> & { readonly preset: Preset };

const strict: Omit<Transcoding, "preset"> = {
  emitDefaults: "none",
  enumsAsInts: false,
  protoNames: false,
  unknownFields: "reject",
  caseInsensitiveEnums: false,
  unknownQuery: "reject",
  ignoredParameters: [],
  plusInQuery: "space",
  parameterValues: "protojson",
  unexpectedBody: "reject",
  fieldConflicts: "reject",
  queryBesideBody: "reject",
  streamFormat: "ndjson",
  emptyReply: "json",
  systemParameters: false,
  trailingSlash: "strict",
  keptEscapes: "slash",
  everyColonIsVerb: false,
  routeConflicts: "error",
  repeatedInPath: "none",
  errors: "status",
  statusHeaders: false,
  methodOverride: false,
  formBodies: false,
};

/** What each preset sets; docs/migrating.md says why. */
export const presets: Readonly<Record<Preset, Omit<Transcoding, "preset">>> = {
  strict,
  envoy: {
    ...strict,
    unknownFields: "ignore",
    plusInQuery: "plus",
    unexpectedBody: "merge",
    streamFormat: "array",
    trailingSlash: "strip",
    keptEscapes: "reserved",
    statusHeaders: true,
  },
  "grpc-gateway": {
    ...strict,
    emitDefaults: "all",
    unknownFields: "ignore",
    unknownQuery: "ignore",
    parameterValues: "go",
    unexpectedBody: "ignore",
    fieldConflicts: "path",
    queryBesideBody: "ignore",
    streamFormat: "grpc-gateway",
    keptEscapes: "none",
    routeConflicts: "last",
    repeatedInPath: "csv",
    methodOverride: true,
    formBodies: true,
  },
  google: {
    ...strict,
    ignoredParameters: [
      "$.xgafv",
      "$key",
      "$quotaUser",
      "$userProject",
      "access_token",
      "key",
      "oauth_token",
      "quotaUser",
      "uploadType",
      "upload_protocol",
      "userProject",
    ],
    streamFormat: "array",
    systemParameters: true,
    errors: "google",
  },
};

/** The switches of a file: those of its preset, less what it says itself. */
export function resolveTranscoding(
  written: CallSwitches & GatewaySwitches & { readonly preset?: Preset | undefined },
): Transcoding {
  const preset = written.preset ?? "strict";
  const base = presets[preset];
  return { ...base, ...given(written), emitDefaults: emitted(written, base), preset };
}

/** The switches of a route that has some of its own. */
export function overrideTranscoding(base: CallTranscoding, written: CallSwitches): CallTranscoding {
  return { ...base, ...given(written), emitDefaults: emitted(written, base) };
}

function emitted({ emitDefaults }: CallSwitches, base: CallTranscoding): CallTranscoding["emitDefaults"] {
  if (typeof emitDefaults === "boolean") return emitDefaults ? "scalars" : "none";
  return emitDefaults ?? base.emitDefaults;
}

function given<T extends object>(written: T): Complete<T> {
  return Object.fromEntries(
    Object.entries(written).filter(([, value]) => value !== undefined),
  ) as Complete<T>;
}
