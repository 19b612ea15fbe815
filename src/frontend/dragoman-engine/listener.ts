import type { Listener } from "../listener.ts";
import { createHttp1Engine } from "../node-engine/http1-server.ts";
import { createListener, type ListenerOptions } from "../socket-listener.ts";
import { createDragomanEngine } from "./http2-engine.ts";

/** The listener on the gateway's own HTTP/2 engine, and on node:http for http/1.1. */
export function createDragomanListener(options: ListenerOptions): Listener {
  return createListener(options, { http1: createHttp1Engine, http2: createDragomanEngine });
}
