import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import { ChatLineKind, type ChatResponse, ChatResponseSchema } from "#gen/shop/v1/support_pb";
import type { Stamp } from "../replication/log.ts";
import type { Snapshot } from "../replication/messages.ts";

/** How many lines of a room are kept. */
export const keptLines = 100;

/** Rooms beyond this many push out the one that was silent for longest. */
const keptRooms = 1000;

interface Room {
  readonly lines: readonly ChatResponse[];
  readonly lastSequence: bigint;
}

/** What was said in each room, and who listens. */
export class Rooms {
  readonly #rooms = new Map<string, Room>();
  readonly #listeners = new Map<string, Set<(line: ChatResponse) => void>>();

  /** Adds a line to its room, with the number and the time that it gets there, and tells all who listen. */
  add({ room, kind, author, text }: ChatResponse, { at }: Stamp): ChatResponse {
    const before = this.#rooms.get(room) ?? { lines: [], lastSequence: 0n };
    const sequence = before.lastSequence + 1n;
    const line = create(ChatResponseSchema, {
      room,
      sequence,
      kind,
      author,
      text,
      createTime: timestampFromMs(at),
    });
    this.#keep(room, { lines: [...before.lines, line].slice(-keptLines), lastSequence: sequence });
    for (const hear of this.#listeners.get(room) ?? []) hear(line);
    return line;
  }

  /** The last things said in a room, the oldest first. */
  history(room: string, count: number): ChatResponse[] {
    const said = this.#rooms.get(room)?.lines.filter(({ kind }) => kind === ChatLineKind.MESSAGE) ?? [];
    return count === 0 ? [] : said.slice(-count);
  }

  /** Calls back for each line from now on, until the returned function is called. */
  listen(room: string, hear: (line: ChatResponse) => void): () => void {
    const listeners = this.#listeners.get(room) ?? new Set();
    this.#listeners.set(room, listeners.add(hear));
    return () => {
      listeners.delete(hear);
      if (listeners.size === 0 && this.#listeners.get(room) === listeners) this.#listeners.delete(room);
    };
  }

  /** All lines, room by room. */
  snapshot(): Snapshot {
    return [...this.#rooms.values()].flatMap(({ lines }) =>
      lines.map((line) => toBinary(ChatResponseSchema, line)),
    );
  }

  restore(state: Snapshot): void {
    this.#rooms.clear();
    for (const bytes of state) {
      const line = fromBinary(ChatResponseSchema, bytes);
      const lines = [...(this.#rooms.get(line.room)?.lines ?? []), line];
      this.#rooms.set(line.room, { lines, lastSequence: line.sequence });
    }
  }

  #keep(name: string, room: Room): void {
    this.#rooms.delete(name);
    this.#rooms.set(name, room);
    const [longestSilent] = this.#rooms.keys();
    if (this.#rooms.size > keptRooms && longestSilent !== undefined) this.#rooms.delete(longestSilent);
  }
}
