import { frame, get, literal, post, settings, word } from "./raw-peer.ts";

const [DATA, HEADERS, PRIORITY, RST_STREAM, PING, WINDOW_UPDATE, CONTINUATION] = [
  0, 1, 2, 3, 6, 8, 9,
] as const;
const END_HEADERS = 4;
const bytes = (...all: readonly number[]): Buffer => Buffer.from(all);

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
];
