import type { Call } from "#rpc";

/**
 * Whether a browser wants a page to show to a person, who can be led to a login: a GET by a link or the address bar, and
 * not by a script, an image or a frame (Fetch Metadata). Browsers that do not tell ask for HTML by name.
 */
export function isNavigation({ header, context }: Call): boolean {
  if (context.httpMethod !== "GET" || context.protocol === "websocket") return false;
  const mode = header.get("sec-fetch-mode");
  if (mode === undefined) return header.get("accept")?.includes("text/html") === true;
  const destination = header.get("sec-fetch-dest");
  return mode === "navigate" && (destination === undefined || destination === "document");
}
