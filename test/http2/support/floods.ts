import {
  bytes,
  CONTINUATION,
  DATA,
  END_HEADERS,
  GOAWAY,
  HEADERS,
  PING,
  PRIORITY,
  RST_STREAM,
  SETTINGS,
  WINDOW_UPDATE,
} from "./frame-types.ts";
import { frame, get, literal, post, settings, word } from "./raw-peer.ts";

const many = (count: number, make: (n: number) => readonly Buffer[]): Buffer[] =>
  Array.from({ length: count }, (_, n) => make(n)).flat();
/** What a client may send too much of, to follow its settings: under which name it is counted, and the frames. */
export const floods: readonly (readonly [name: string, kind: string, frames: readonly Buffer[]])[] = [
  [
    "rapid reset",
    "resets",
    many(1100, (n) => [
      frame(HEADERS, END_HEADERS, 2 * n + 1, post),
      frame(RST_STREAM, 0, 2 * n + 1, word(8)),
    ]),
  ],
  [
    "resets brought about by faults",
    "resets",
    many(1100, (n) => [
      frame(HEADERS, END_HEADERS, 2 * n + 1, post),
      frame(WINDOW_UPDATE, 0, 2 * n + 1, word(0)),
    ]),
  ],
  ["PING", "pings", many(600, () => [frame(PING, 0, 0, Buffer.alloc(8))])],
  ["SETTINGS", "settings", many(60, () => [settings()])],
  ["PRIORITY", "priorities", many(1100, () => [frame(PRIORITY, 0, 1, bytes(0, 0, 0, 0, 1))])],
  [
    "empty DATA",
    "empty_frames",
    [frame(HEADERS, END_HEADERS, 1, post), ...many(200, () => [frame(DATA, 0, 1)])],
  ],
  ["WINDOW_UPDATE", "window_updates", many(2100, () => [frame(WINDOW_UPDATE, 0, 0, word(1))])],
  ["unknown frames", "idle_frames", many(1100, () => [frame(0xaa, 0, 0)])],
  [
    "CONTINUATION without end",
    "continuations",
    [frame(HEADERS, 0, 1, get), ...many(100, () => [frame(CONTINUATION, 0, 1, literal("x-a", "b"))])],
  ],
  [
    "empty CONTINUATION without end",
    "continuations",
    [frame(HEADERS, 0, 1, get), ...many(100, () => [frame(CONTINUATION, 0, 1)])],
  ],
  ["acknowledgements of settings that were not sent", "settings", many(60, () => [frame(SETTINGS, 1, 0)])],
  [
    "acknowledgements of PINGs that were not sent",
    "pings",
    many(600, () => [frame(PING, 1, 0, Buffer.alloc(8))]),
  ],
  [
    "GOAWAY",
    "idle_frames",
    many(1100, () => [frame(GOAWAY, 0, 0, Buffer.concat([word(2 ** 31 - 1), word(0)]))]),
  ],
  [
    "DATA on streams that have gone",
    "idle_frames",
    [
      frame(HEADERS, END_HEADERS, 1, post),
      frame(WINDOW_UPDATE, 0, 1, word(0)),
      ...many(1100, () => [frame(DATA, 0, 1)]),
    ],
  ],
  [
    "zero-length headers",
    "resets",
    many(1100, (n) => [frame(HEADERS, END_HEADERS | 1, 2 * n + 1, Buffer.concat([get, bytes(0, 0, 0)]))]),
  ],
];
