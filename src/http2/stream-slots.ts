import type { Stream } from "./stream.ts";

/** The most slots that a table grows to; streams that then still collide are kept aside. */
const maxSlots = 1024;

/**
 * The open streams of a connection by their identifiers. A ring indexed by the number of the stream: a Map that every request
 * goes through makes the collector keep its dead tables.
 */
export class StreamSlots {
  #slots: (Stream | undefined)[] = [];
  #aside: Map<number, Stream> | undefined;
  #size = 0;

  get size(): number {
    return this.#size;
  }

  get(id: number): Stream | undefined {
    const stream = this.#slots[(id >>> 1) & (this.#slots.length - 1)];
    if (stream !== undefined && stream.id === id) return stream;
    return this.#aside?.get(id);
  }

  add(stream: Stream): void {
    this.#size++;
    while (this.#slots.length < maxSlots) {
      const at = (stream.id >>> 1) & (this.#slots.length - 1);
      if (this.#slots.length > 0 && this.#slots[at] === undefined) {
        this.#slots[at] = stream;
        return;
      }
      this.#grow();
    }
    const at = (stream.id >>> 1) & (maxSlots - 1);
    if (this.#slots[at] === undefined) {
      this.#slots[at] = stream;
      return;
    }
    this.#aside ??= new Map();
    this.#aside.set(stream.id, stream);
  }

  remove(stream: Stream): void {
    const at = (stream.id >>> 1) & (this.#slots.length - 1);
    if (this.#slots[at] === stream) this.#slots[at] = undefined;
    else if (this.#aside?.delete(stream.id) !== true) return;
    this.#size--;
  }

  /** Streams may be removed meanwhile. */
  forEach(visit: (stream: Stream) => void): void {
    if (this.#size === 0) return;
    for (const stream of this.all()) visit(stream);
  }

  all(): Stream[] {
    const all: Stream[] = [];
    for (const stream of this.#slots) if (stream !== undefined) all.push(stream);
    if (this.#aside !== undefined) all.push(...this.#aside.values());
    return all;
  }

  #grow(): void {
    const before = this.#slots;
    const length = before.length === 0 ? 8 : before.length * 2;
    this.#slots = new Array<Stream | undefined>(length).fill(undefined);
    for (const stream of before) {
      if (stream !== undefined) this.#slots[(stream.id >>> 1) & (length - 1)] = stream;
    }
  }
}
