import type { ListenerEvents } from "./listener.ts";

/** Sends every request to the same place over HTTPS. 308 keeps method and body (RFC 9110 15.4.9). */
export function redirectToHttps(httpsPort: number): ListenerEvents {
  const location = (authority: string, target: string): string => {
    const host = authority.replace(/:\d*$/, "");
    return `https://${host}${httpsPort === 443 ? "" : `:${httpsPort}`}${target === "*" ? "/" : target}`;
  };
  return {
    exchange(exchange) {
      const { authority, target } = exchange.head;
      exchange.respond(308, ["location", location(authority, target)]);
    },
    upgrade(upgrade) {
      const { authority, target } = upgrade.head;
      upgrade.refuse(308, ["location", location(authority, target)]);
    },
  };
}
