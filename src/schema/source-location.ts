import type { SourceLocation } from "./method.ts";
import { type Range, WireCursor } from "./wire-cursor.ts";

/** Field numbers of `google.protobuf.SourceCodeInfo` and its `Location`. */
const inInfo = { location: 1 } as const;
const inLocation = { path: 1, span: 2 } as const;

/**
 * Where the element with this path (descriptor.proto, SourceCodeInfo.Location.path) begins, 1-based. Looks through the
 * undecoded info, which is large, and keeps nothing of it.
 */
export function findLocation(
  sourceInfo: Uint8Array,
  path: readonly number[],
): Pick<SourceLocation, "line" | "column"> | undefined {
  const cursor = new WireCursor(sourceInfo);
  const end = cursor.length;
  for (let no = cursor.next(end); no !== 0; no = cursor.next(end)) {
    if (no !== inInfo.location) {
      cursor.skip();
      continue;
    }
    const range = cursor.range();
    const found = readLocation(cursor, range);
    cursor.seek(range.end);
    const [line, column] = found.span;
    if (line === undefined || column === undefined || found.path.length !== path.length) continue;
    if (path.every((part, index) => found.path[index] === part))
      return { line: line + 1, column: column + 1 };
  }
  return undefined;
}

function readLocation(cursor: WireCursor, { start, end }: Range): { path: number[]; span: number[] } {
  const path: number[] = [];
  const span: number[] = [];
  cursor.seek(start);
  for (let no = cursor.next(end); no !== 0; no = cursor.next(end)) {
    if (no === inLocation.path) cursor.varints(path);
    else if (no === inLocation.span) cursor.varints(span);
    else cursor.skip();
  }
  return { path, span };
}
