/**
 * Why the gateway itself refused or failed a call: the slug that callers see in `x-dragoman-reason`, and that the log
 * and the metrics carry. An error of an upstream has none. `docs/errors.md` explains each to users.
 */
export const reasons = [
  // the request
  "route_not_found",
  "method_not_allowed",
  "malformed_path",
  "malformed_query",
  "malformed_body",
  "malformed_header",
  "malformed_frame",
  "request_invalid",
  "body_not_allowed",
  "field_conflict",
  "unsupported_media_type",
  "unsupported_encoding",
  "not_acceptable",
  "header_too_large",
  "uri_too_long",
  "body_too_large",
  "message_too_large",
  "request_timeout",
  "upgrade_required",
  "protocol_mismatch",
  "origin_denied",
  "misdirected",
  "early_data",
  "client_gone",
  "idle_timeout",
  // policy
  "address_denied",
  "credentials_missing",
  "credentials_invalid",
  "credentials_expired",
  "scope_missing",
  "rule_denied",
  "authorization_denied",
  "authorization_failed",
  "keys_unavailable",
  "introspection_unavailable",
  "rate_limited",
  "limit_key_missing",
  "limits_unavailable",
  "concurrency_limited",
  "overloaded",
  "stream_limited",
  "deadline_exceeded",
  // upstream
  "no_upstream",
  "no_healthy_endpoint",
  "connect_failed",
  "connection_lost",
  "upstream_protocol",
  "upstream_message",
  "response_not_representable",
  // the gateway
  "validation_failed",
  "draining",
  "internal",
] as const;

export type Reason = (typeof reasons)[number];
