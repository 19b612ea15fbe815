import type { Listener } from "../listener.ts";
import { createListener, type ListenerOptions } from "../socket-listener.ts";
import { createHttp1Engine } from "./http1-server.ts";
import { createHttp2Engine } from "./http2-server.ts";

/** The listener on node:http2, by its raw stream API, and node:http. */
export function createNodeListener(options: ListenerOptions): Listener {
  return createListener(options, { http1: createHttp1Engine, http2: createHttp2Engine });
}
