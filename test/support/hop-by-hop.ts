/** What no intermediary passes on (RFC 9110 7.6.1, RFC 9113 8.2.2), but for `connection` itself and what it names. */
export const hopByHopNames = [
  "keep-alive",
  "proxy-connection",
  "proxy-authenticate",
  "proxy-authorization",
  "te",
  "trailer",
  "transfer-encoding",
  "upgrade",
  "http2-settings",
] as const;
