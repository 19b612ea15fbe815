import { WireFault } from "./fault.ts";

/**
 * Where conversions read and write: one buffer that holds the output from its start and the input behind it. Input is
 * copied in, so that readers may look a few bytes beyond its end, where a zero stops every loop. A conversion never
 * yields, so one memory serves all.
 *
 * A function that moves both the reader and the writer returns one position and leaves the other here.
 */
export interface Memory {
  bytes: Buffer;
  view: DataView;
  /** A value may start anywhere up to here; from here there is room for the whole input and `slack` bytes. */
  limit: number;
  /** Second result of functions that return where the writer is: where the reader is. */
  pos: number;
  /** Second result of functions that return where the reader is: where the writer is. */
  at: number;
  /** High half of a 64-bit integer whose low half was returned. */
  hi: number;
  /** The input: from here to `inputEnd`. */
  inputStart: number;
  inputEnd: number;
  /** The input is known to be valid UTF-8. */
  isUtf8: boolean;
  /** Messages on the wire are put into canonical order before they are read. */
  careful: boolean;
}

/** How far beyond `limit` a value may reach, the input's own bytes aside. */
export const slack = 1024;
const padding = 16;
/** Room for what most messages take, of which memory is used as far as conversions reach. */
const workSize = 16 * 1024 * 1024;
/** Room for what is printed of little: defaults, long names. */
const leastRoom = 32 * 1024;
const slabSize = 64 * 1024;
/** Results up to this size share a slab. */
const largestShared = 4 * 1024;
/** Such that every position, with what is read beyond it, is an integer of 31 bits. */
const largestOutput = 512 * 1024 * 1024;
const largestInput = 512 * 1024 * 1024;

// glibc gives pages back to the system when 128 KB are free at the end of its heap, and to fetch them anew with each result
// took up to a third of the time of large ones. Once it was given back a block of up to 32 MB, which need not have been
// used, it keeps twice as much as that; other allocators take no notice (mallopt(3), M_MMAP_THRESHOLD).
Buffer.allocUnsafeSlow(31 * 1024 * 1024);

const work = Buffer.allocUnsafeSlow(workSize);
const workView = viewOf(work);
let slab = Buffer.allocUnsafeSlow(slabSize);
let slabMemory = slab.buffer;
let used = 0;
/** The beginning of the work, in sizes of which one is copied instead of just what is needed: to make a view takes longer. */
const step = 64;
const beginnings = Array.from({ length: largestShared / step + 1 }, (_, index) =>
  work.subarray(0, index * step),
);

// As long as `bytes` and `view` are never set again, V8 takes them for constants, and what reads and writes there takes three
// quarters of the time. So a process pays for its first message that does not fit into the work. An import is no constant to V8:
// modules that do most of the work name `memory` once more.
export const memory: Memory = {
  bytes: work,
  view: workView,
  limit: 0,
  pos: 0,
  at: 0,
  hi: 0,
  inputStart: 0,
  inputEnd: 0,
  isUtf8: false,
  careful: false,
};

class OutOfRoom extends Error {}
const outOfRoom = new OutOfRoom("a conversion needs a larger buffer");

/** Gives up this attempt; `convert` tries again with more room. */
export function overflow(): never {
  throw outOfRoom;
}

/**
 * Runs a conversion of `input` until it has enough room.
 *
 * @param room how many bytes of output to try first
 * @param run reads from `memory.inputStart`, writes from the start of the memory, returns where its output ends
 */
export function convert(input: Uint8Array, room: number, run: () => number): Uint8Array {
  if (input.length > largestInput) throw new WireFault("it is too large");
  try {
    for (let tried = firstRoom(input.length, room); ; tried = Math.min(tried * 4, largestOutput)) {
      open(input, tried);
      try {
        return take(run());
      } catch (error) {
        if (error !== outOfRoom) throw error;
        if (tried === largestOutput) throw new WireFault("its JSON would be too large");
      }
    }
  } finally {
    // Nothing large is kept.
    if (memory.bytes !== work) use(work, workView);
  }
}

/** As much as is asked for, within what is there if that is likely to do. */
function firstRoom(length: number, room: number): number {
  const most = workSize - 2 * length - slack - padding;
  return room > most && most > 2 * length ? most : Math.min(Math.max(room, leastRoom), largestOutput);
}

function open(input: Uint8Array, room: number): void {
  const { length } = input;
  const start = room + length + slack;
  const total = start + length + padding;
  if (total > workSize) {
    const large = Buffer.allocUnsafeSlow(total);
    use(large, viewOf(large));
  }
  const { bytes, view } = memory;
  bytes.set(input, start);
  view.setInt32(start + length, 0);
  memory.inputStart = start;
  memory.inputEnd = start + length;
  memory.limit = room;
  memory.isUtf8 = false;
}

function use(bytes: Buffer, view: DataView): void {
  memory.bytes = bytes;
  memory.view = view;
}

/** Copies a result of a conversion out of the memory. */
function take(end: number): Uint8Array {
  const { bytes } = memory;
  if (end > largestShared || bytes !== work) {
    const copy = Buffer.allocUnsafeSlow(end);
    copy.set(bytes.subarray(0, end));
    return copy;
  }
  const beginning = beginnings[Math.ceil(end / step)]!;
  if (beginning.length > slabSize - used) {
    slab = Buffer.allocUnsafeSlow(slabSize);
    slabMemory = slab.buffer;
    used = 0;
  }
  const start = used;
  used += end;
  slab.set(beginning, start);
  return new Uint8Array(slabMemory, start, end);
}

function viewOf(buffer: Buffer): DataView {
  return new DataView(buffer.buffer, buffer.byteOffset, buffer.length);
}
