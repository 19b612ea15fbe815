import { z } from "zod";
import { addressBlock, callAddresses, connectionAddresses, proxyProtocolSchema } from "./address-schema.ts";
import { adminSchema } from "./admin-schema.ts";
import { answerHeadersSchema } from "./answer-headers-schema.ts";
import { apiKeysSchema, authStartupSchema, issuerSchema } from "./auth-schema.ts";
import { basicSchema } from "./basic-schema.ts";
import { certificatesSchema } from "./certificates-schema.ts";
import { compressionSchema, routeCompressionSchema } from "./compression-schema.ts";
import { externalSchema } from "./external-schema.ts";
import { httpSchema } from "./http-schema.ts";
import { introspectionSchema } from "./introspection-schema.ts";
import { limitSchema } from "./limits-schema.ts";
import { adaptiveSchema, prioritySchema, sheddingSchema, streamSchema } from "./load-schema.ts";
import { loginSchema } from "./login-schema.ts";
import { storeSchema } from "./store-schema.ts";
import { routeStreamsSchema, streamsSchema } from "./streams-schema.ts";
import { listenTlsSchema } from "./tls-schema.ts";
import { routeTranscodingSchema, transcodingSchema } from "./transcoding-schema.ts";
import { durationPattern, parseDuration, parseSize, sizePattern } from "./units.ts";
import { webSocketSchema } from "./websocket-schema.ts";

/**
 * The one description of `gateway.yaml`: the parser, the JSON Schema for editors and the type of the configuration all
 * come from here. What a key says of itself is shown by editors.
 */
const duration = (text: string) =>
  z
    .string()
    .regex(durationPattern, "expected a duration such as 250ms, 5s or 1m")
    .transform(parseDuration)
    .describe(text);
const size = (text: string) =>
  z.string().regex(sizePattern, "expected a size such as 64KiB or 4MiB").transform(parseSize).describe(text);
/** A reference such as `${env:PORT}` stands for a text. */
const port = z.union([
  z.int().min(0).max(65_535),
  z
    .string()
    .regex(/^\d{1,5}$/, "expected a port")
    .transform(Number),
]);
const name = z.string().regex(/^[A-Za-z_][\w-]*$/, "a name is letters, digits, - and _");
const hostPort = z.string().regex(/^(?:[\w.-]+|\[[\da-fA-F:.]+\]):\d{1,5}$/, "expected host:port");

const listen = z.strictObject({
  https: z
    .strictObject({
      host: z.string().default("0.0.0.0"),
      port: port.default(8443),
      tls: listenTlsSchema.default("dev"),
      proxyProtocol: proxyProtocolSchema,
      ...connectionAddresses,
    })
    .prefault({})
    .describe("HTTPS: HTTP/2 and http/1.1 by ALPN."),
  http: z
    .strictObject({
      host: z.string().default("0.0.0.0"),
      port: port.default(8080),
      mode: z
        .enum(["redirect", "serve", "off"])
        .default("redirect")
        .describe("serve: http/1.1 and cleartext HTTP/2."),
      proxyProtocol: proxyProtocolSchema,
      ...connectionAddresses,
    })
    .prefault({})
    .describe("Plain HTTP."),
  engine: z
    .enum(["dragoman", "node"])
    .default("dragoman")
    .describe("Which HTTP/2: the gateway's own, or node:http2."),
  busyPoll: z
    .boolean()
    .default(true)
    .describe("Whether the next event of a quick exchange with a single client is waited for awake."),
  hsts: z.strictObject({ maxAge: duration("How long browsers shall insist on HTTPS.") }).optional(),
  trustProxies: z
    .array(addressBlock)
    .default([])
    .describe("Addresses and blocks whose x-forwarded-* fields are believed. Nobody unless named."),
  forwardedBy: z
    .enum(["x-forwarded-for", "forwarded"])
    .default("x-forwarded-for")
    .describe("Where trustProxies say for whom they speak. The other field is not believed of anybody."),
  limits: z
    .strictObject({
      headerBytes: size("Bytes of a request's header.").prefault("60KiB"),
      headerCount: z.int().min(1).default(100).describe("Fields of a request's header."),
      targetBytes: size("Bytes of a request's path and query.").prefault("8KiB"),
      bodyBytes: size("Bytes of a request body that is read whole.").prefault("4MiB"),
      messageBytes: size("Bytes of one message of a stream.").prefault("4MiB"),
      streamsPerConnection: z
        .int()
        .min(1)
        .default(100)
        .describe("Requests at once on one HTTP/2 connection."),
      idle: duration("How long a connection may stay without requests.").prefault("5m"),
      headTimeout: duration("How long the header of a request may take to arrive.").prefault("10s"),
      bodyIdle: duration("How long the body of a request may pause.").prefault("60s"),
    })
    .prefault({}),
  via: z
    .string()
    .regex(/^[\w.-]{1,64}$/, "expected a name such as edge, or off")
    .default("dragoman")
    .describe(
      "By which name upstreams are told of the gateway, and requests that come in a circle are known; or off.",
    ),
  answerHeaders: answerHeadersSchema,
  underscores: z
    .enum(["drop", "reject", "allow"])
    .default("drop")
    .describe("Headers with _ in their names, which some servers take for -."),
  websocket: webSocketSchema,
});

const upstreamTls = z.strictObject({
  ca: z.string().optional().describe("PEM file of whom to trust; the system's roots when absent."),
  cert: z.string().optional().describe("PEM file of the gateway's own certificate."),
  key: z.string().optional().describe("PEM file of its key."),
  serverName: z.string().optional().describe("The name to check the server's certificate for."),
});

const health = z.strictObject({
  enabled: z.boolean().default(true),
  service: z.string().default("").describe("The service to ask for; empty for the whole server."),
  interval: duration("Between two checks.").prefault("5s"),
  timeout: duration("What one check may take.").prefault("1s"),
  unhealthyAfter: z.int().min(1).default(2),
  healthyAfter: z.int().min(1).default(1),
  watch: z.boolean().default(true).describe("Ask by Watch, and by Check only where that is not implemented."),
});

const upstreamLong = z
  .strictObject({
    endpoints: z
      .array(z.union([hostPort, z.strictObject({ address: hostPort })]))
      .min(1)
      .optional(),
    target: z
      .string()
      .regex(
        /^(?:dns:\/\/\/[\w.-]+:\d{1,5}|xds:\/\/[\w.-]*\/[\w.:/~-]+)$/,
        "expected dns:///host:port or xds:///name",
      )
      .describe(
        "By the DNS, or by an xDS control plane (GRPC_XDS_BOOTSTRAP), which calls go to through grpc-js.",
      )
      .optional(),
    tls: upstreamTls.optional().describe("Absent: plaintext."),
    balance: z.enum(["round_robin"]).default("round_robin"),
    health: health.prefault({}),
    connect: duration("How long connecting, or waiting for an endpoint, may take.").prefault("2s"),
    maxInFlight: z
      .int()
      .min(1)
      .optional()
      .describe("Calls at once; more wait in a queue as long as their deadline allows."),
    maxQueue: z.int().min(0).default(100).describe("Calls that may wait."),
    adaptive: adaptiveSchema.optional(),
    maxMessageBytes: size("Bytes of one message from the upstream.").prefault("4MiB"),
    transport: z
      .enum(["dragoman", "grpc-js"])
      .default("dragoman")
      .describe("Whose HTTP/2 carries the calls: the gateway's own, or that of @grpc/grpc-js."),
  })
  .refine((value) => (value.endpoints === undefined) !== (value.target === undefined), {
    message: "either endpoints or a target",
  })
  .refine(({ adaptive, maxInFlight }) => adaptive === undefined || maxInFlight !== undefined, {
    message: "adaptive needs maxInFlight, the most that is let through",
    path: ["adaptive"],
  });

const upstream = z.union([
  z
    .string()
    .regex(
      /^(?:grpcs?:\/\/(?:[\w.-]+|\[[\da-fA-F:.]+\]):\d{1,5}(?:,(?:[\w.-]+|\[[\da-fA-F:.]+\]):\d{1,5})*|https?:\/\/(?:[\w.-]+|\[[\da-fA-F:.]+\])(?::\d{1,5})?\/?|xds:\/\/[\w.-]*\/[\w.:/~-]+)$/,
      "expected grpc://host:port,host:port or xds:///name or http://host:port",
    ),
  upstreamLong,
]);

const schemaSource = z.union([
  z.strictObject({ proto: z.string().describe("A folder of .proto files; watched.") }),
  z.strictObject({ descriptors: z.string().describe("A FileDescriptorSet; watched.") }),
  z.strictObject({ reflection: z.string().describe("The upstream to ask by server reflection.") }),
]);

const codes = z.enum([
  "CANCELLED",
  "UNKNOWN",
  "DEADLINE_EXCEEDED",
  "RESOURCE_EXHAUSTED",
  "ABORTED",
  "INTERNAL",
  "UNAVAILABLE",
]);

const retry = z.strictObject({
  attempts: z.int().min(1).max(5).default(3).describe("In all, the first included."),
  on: z.array(codes).default(["UNAVAILABLE"]),
  backoff: z
    .string()
    .regex(/^\d+(?:\.\d+)?(?:ms|s|m)\.\.\d+(?:\.\d+)?(?:ms|s|m)$/, "expected a range such as 50ms..1s")
    .default("50ms..1s"),
});

const cors = z
  .strictObject({
    origins: z.array(
      z
        .string()
        .regex(
          /^(?:\*|https?:\/\/(?:\*\.)?[\w.-]+(?::\d{1,5})?)$/,
          "expected an origin such as https://shop.test",
        ),
    ),
    credentials: z.boolean().default(false),
    allowHeaders: z.array(z.string()).optional().describe("Any that is asked for, when absent."),
    exposeHeaders: z.array(z.string()).default([]),
    maxAge: duration("How long a preflight may be remembered.").prefault("10m"),
  })
  .refine((value) => !(value.credentials && value.origins.includes("*")), {
    message: "credentials are never allowed for any origin: name the origins",
  });

const validate = z.enum(["off", "report", "enforce"]);

const route = z.strictObject({
  match: z
    .string()
    .regex(
      /^(?:\*|[\w.]+\.\*|[\w.]+\/(?:\*|\w+)|(?:GET|HEAD|POST|PUT|PATCH|DELETE|OPTIONS|\*) \/\S*)$/,
      "expected pkg.Service/Method, pkg.Service/*, pkg.*, *, or METHOD /path",
    )
    .describe("A method, all of a service, all of a package, everything, or a plain path."),
  to: z.string().optional().describe("The upstream."),
  public: z.boolean().optional().describe("Anybody may call."),
  auth: z
    .strictObject({
      any: z
        .array(z.string())
        .min(1)
        .optional()
        .describe("The providers whose callers may call; all when absent."),
      scopes: z.array(z.string()).default([]).describe("Which the caller must have, all of them."),
      allow: z
        .string()
        .min(1)
        .optional()
        .describe("A rule in CEL over caller, method, peer, request and input, which must hold."),
      optional: z
        .boolean()
        .default(false)
        .describe("Callers without credentials may call too; bad credentials are refused."),
      forwardCredentials: z
        .boolean()
        .default(false)
        .describe("The upstream gets the credentials themselves, too."),
      external: z.string().optional().describe("The authorization service that is asked last."),
    })
    .optional(),
  limit: z.array(z.string()).default([]).describe("The limits that hold here."),
  escapedSlashes: z
    .enum(["reject", "keep"])
    .optional()
    .describe("Of a plain path: whether %2F and %5C in it are refused, which is so when absent, or go on."),
  priority: prioritySchema,
  ...callAddresses,
  streamLimits: streamSchema.optional(),
  streams: routeStreamsSchema.optional(),
  compression: routeCompressionSchema,
  timeout: duration("The longest that a call may take.").optional(),
  retry: retry.optional(),
  validate: validate.optional().describe("As in defaults, where it differs here."),
  transcoding: routeTranscodingSchema
    .optional()
    .describe("How messages are shown and read, where it differs here."),
});

export const configSchema = z.strictObject({
  version: z.literal(1),
  listen: listen.prefault({}),
  admin: adminSchema(port).prefault({}),
  workers: z
    .union([z.literal("auto"), z.int().min(1).max(256)])
    .default(1)
    .describe("How many processes serve; auto for as many as there are cores."),
  schema: z.array(schemaSource).min(1),
  upstreams: z.record(name, upstream),
  auth: z
    .strictObject({
      issuers: z.record(name, issuerSchema).default({}),
      keys: z.record(name, apiKeysSchema).default({}),
      introspection: z.record(name, introspectionSchema).default({}),
      basic: z.record(name, basicSchema).default({}),
      certificates: z.record(name, certificatesSchema).default({}),
      login: z.record(name, loginSchema).default({}),
      startup: authStartupSchema.prefault({}),
      external: z.record(name, externalSchema).default({}),
    })
    .prefault({}),
  limits: z.record(name, limitSchema).default({}),
  store: storeSchema.default("memory"),
  shedding: sheddingSchema.prefault({}),
  defaults: z
    .strictObject({
      timeout: z
        .string()
        .regex(
          new RegExp(`^off$|${durationPattern.source}`),
          "expected a duration such as 250ms, 5s or 1m, or off",
        )
        .transform((text) => (text === "off" ? undefined : parseDuration(text)))
        .prefault("15s")
        .describe("The longest that a unary call may take; off for as long as its caller wants."),
      cors: cors.optional(),
      validate: validate
        .default("enforce")
        .describe(
          "What the schema demands of requests: buf.validate, and REQUIRED of google.api.field_behavior.",
        ),
      limitFields: z
        .enum(["standard", "legacy", "both", "off"])
        .default("standard")
        .describe("How callers are told of their limits: RateLimit, x-ratelimit-*, both, or not."),
    })
    .prefault({}),
  routes: z.array(route).min(1),
  transcoding: transcodingSchema.prefault({}),
  streams: streamsSchema.prefault({}),
  compression: compressionSchema,
  http: httpSchema.prefault({}),
  telemetry: z
    .strictObject({
      accessLog: z.enum(["json", "off"]).default("json"),
      log: z.enum(["debug", "info", "warn", "error"]).default("info"),
    })
    .prefault({}),
  drain: duration("How long running calls may take to end when the gateway stops.").prefault("30s"),
});

export type ParsedConfig = z.output<typeof configSchema>;
