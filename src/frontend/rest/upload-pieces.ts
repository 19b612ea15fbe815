/** Bytes of an upload that make one message at most. */
export const pieceBytes = 64 * 1024;

/**
 * The bytes of an upload in pieces of up to `size`: those that are there at once as one, and none that waits for more.
 * Reads one chunk ahead of whoever pulls.
 */
export async function* uploadPieces(
  chunks: AsyncIterable<Uint8Array>,
  size: number,
): AsyncGenerator<Uint8Array> {
  const source = chunks[Symbol.asyncIterator]();
  const next = (): Promise<IteratorResult<Uint8Array>> => {
    const result = source.next();
    // Whoever pulls next is told.
    result.catch(() => {});
    return result;
  };
  let pending = next();
  try {
    for (;;) {
      const first = await pending;
      if (first.done === true) return;
      const parts = [first.value];
      let total = first.value.length;
      pending = next();
      while (total < size) {
        const more = await Promise.race([pending, turn()]);
        if (more === undefined || more.done === true) break;
        parts.push(more.value);
        total += more.value.length;
        pending = next();
      }
      const whole = parts.length === 1 ? first.value : Buffer.concat(parts, total);
      for (let at = 0; at < total; at += size) yield whole.subarray(at, at + size);
    }
  } finally {
    void source.return?.()?.then(undefined, () => {});
  }
}

/** The end of this turn of the event loop. */
function turn(): Promise<undefined> {
  return new Promise((resolve) => {
    setImmediate(resolve, undefined);
  });
}
