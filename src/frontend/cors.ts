import type { RequestHead } from "./exchange.ts";
import { field } from "./fields.ts";

/** A compiled policy for cross-origin requests (the Fetch standard, "CORS protocol"). */
export interface Cors {
  /** Whether pages of other origins that are allowed may send what identifies their users: cookies. */
  readonly credentials: boolean;
  /** Whether pages of this origin may call, and open WebSockets. */
  allows(origin: string): boolean;
  /** The fields to add to the answer to a request, errors included; `vary` whenever the answer depends on the origin. */
  fields(head: RequestHead): readonly string[];
  /** The fields of the answer to a preflight, given the HTTP methods that the path takes. */
  preflight(head: RequestHead, methods: readonly string[]): readonly string[];
}

export interface CorsOptions {
  /** `https://shop.test`, `https://*.shop.test` for any one or more labels, or `*` for all. */
  readonly origins: readonly string[];
  readonly credentials: boolean;
  /** Any that a preflight asks for, when undefined. */
  readonly allowHeaders: readonly string[] | undefined;
  readonly exposeHeaders: readonly string[];
  readonly maxAgeMs: number;
}

/** What scripts want to read of every answer. */
const exposedAlways = [
  "x-request-id",
  "x-dragoman-reason",
  "retry-after",
  "grpc-status",
  "grpc-message",
  "grpc-status-details-bin",
];

export function createCors(options: CorsOptions): Cors {
  const all = options.origins.includes("*");
  const exact = new Set(options.origins.filter((origin) => !origin.includes("*")));
  const wild = options.origins
    .filter((origin) => origin.includes("://*."))
    .map((origin) => origin.split("*") as [string, string]);
  const allows = (origin: string): boolean =>
    all ||
    exact.has(origin) ||
    wild.some(
      ([scheme, rest]) =>
        origin.startsWith(scheme) &&
        origin.endsWith(rest) &&
        isLabels(origin.slice(scheme.length, -rest.length)),
    );
  const expose = [...new Set([...exposedAlways, ...options.exposeHeaders])].join(", ");

  const shared = (head: RequestHead): string[] => {
    const fields = all ? [] : ["vary", "origin"];
    const origin = field(head.fields, "origin");
    if (origin === undefined || !allows(origin)) return fields;
    fields.push("access-control-allow-origin", all ? "*" : origin);
    if (options.credentials) fields.push("access-control-allow-credentials", "true");
    return fields;
  };

  return {
    credentials: options.credentials,
    allows,
    fields(head) {
      const fields = shared(head);
      if (fields.includes("access-control-allow-origin"))
        fields.push("access-control-expose-headers", expose);
      return fields;
    },
    preflight(head, methods) {
      const fields = shared(head);
      if (!fields.includes("access-control-allow-origin")) return fields;
      fields.push("access-control-allow-methods", methods.join(", "));
      const asked = field(head.fields, "access-control-request-headers");
      const headers = options.allowHeaders?.join(", ") ?? asked;
      if (headers !== undefined && /^[\w!#$%&'*+.^`|~, -]*$/.test(headers))
        fields.push("access-control-allow-headers", headers);
      fields.push("access-control-max-age", String(Math.floor(options.maxAgeMs / 1000)));
      return fields;
    },
  };
}

function isLabels(text: string): boolean {
  return /^[\w-]+(?:\.[\w-]+)*$/.test(text);
}
