import { memory, overflow, slack } from "./memory.ts";

/** Reads bytes that are not in the memory, such as merged ones, by putting them there for the time. */
export function withPlaced(
  content: Uint8Array,
  at: number,
  read: (pos: number, end: number) => number,
): number {
  const { limit, bytes } = memory;
  const from = limit - content.length - 16;
  memory.limit = from - content.length - slack;
  if (at > memory.limit) overflow();
  bytes.set(content, from);
  bytes.fill(0, from + content.length, limit);
  const next = read(from, from + content.length);
  memory.limit = limit;
  return next;
}
