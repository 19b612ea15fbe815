import type { Config } from "#config";
import type { WebSocketSettings } from "#frontend";

export function webSocketSettings({ websocket }: Config["listen"]): WebSocketSettings {
  const { ping, idle, rate, maxFragments, compression, tokenCookie } = websocket;
  return { pingMs: ping, idleMs: idle, rate, maxFragments, compression, tokenCookie };
}
