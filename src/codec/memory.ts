import { WireFault } from "./fault.ts";

/**
 * Where conversions read and write: one buffer that holds the output from its start and the input at its end. Input is
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
  outputStart: number;
  /** The input is known to be valid UTF-8. */
  isUtf8: boolean;
  /** Messages on the wire are put into canonical order before they are read. */
  careful: boolean;
}

/** How far beyond `limit` a value may reach, the input's own bytes aside. */
export const slack = 1024;
const padding = 16;
const slabSize = 64 * 1024;
/** A result up to this size keeps its slab alive; a larger one is copied. */
const largestShared = 4 * 1024;
/** A buffer for large messages is kept up to this size. */
const largestKept = 4 * 1024 * 1024;
/** Such that every position, with what is read beyond it, is an integer of 31 bits. */
const largestOutput = 512 * 1024 * 1024;
const largestInput = 512 * 1024 * 1024;

// glibc gives pages back to the system when 128 KB are free at the end of its heap, and to fetch them anew with each result
// took up to a third of the time of large ones. Once it was given back a block of up to 32 MB, which need not have been
// used, it keeps twice as much as that; other allocators take no notice (mallopt(3), M_MMAP_THRESHOLD).
Buffer.allocUnsafeSlow(31 * 1024 * 1024);

let slab = Buffer.allocUnsafeSlow(slabSize);
let slabView = viewOf(slab);
let large = slab;
let largeView = slabView;
let used = 0;

export const memory: Memory = {
  bytes: slab,
  view: slabView,
  limit: 0,
  pos: 0,
  at: 0,
  hi: 0,
  inputStart: 0,
  inputEnd: 0,
  outputStart: 0,
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
 * @param run reads from `memory.inputStart`, writes from `memory.outputStart`, returns where its output ends
 */
export function convert(input: Uint8Array, room: number, run: () => number): Uint8Array {
  if (input.length > largestInput) throw new WireFault("it is too large");
  for (let tried = Math.min(room, largestOutput); ; tried = Math.min(tried * 4, largestOutput)) {
    open(input, tried);
    try {
      return take(run());
    } catch (error) {
      if (error !== outOfRoom) throw error;
      if (tried === largestOutput) throw new WireFault("its JSON would be too large");
    }
  }
}

function open(input: Uint8Array, room: number): void {
  const { length } = input;
  const total = room + length + slack + length + padding;
  if (total > slabSize / 4) {
    if (large.length < total || large === slab) {
      large = Buffer.allocUnsafeSlow(2 ** Math.ceil(Math.log2(total)));
      largeView = viewOf(large);
    }
    memory.bytes = large;
    memory.view = largeView;
    memory.outputStart = 0;
  } else {
    if (slabSize - used < total) {
      slab = Buffer.allocUnsafeSlow(slabSize);
      slabView = viewOf(slab);
      used = 0;
    }
    memory.bytes = slab;
    memory.view = slabView;
    memory.outputStart = used;
  }
  const { bytes } = memory;
  const start = bytes.length - padding - length;
  bytes.set(input, start);
  memory.view.setInt32(bytes.length - padding, 0);
  memory.inputStart = start;
  memory.inputEnd = start + length;
  memory.limit = start - length - slack;
  memory.isUtf8 = false;
}

function take(end: number): Uint8Array {
  const { bytes, outputStart } = memory;
  const size = end - outputStart;
  if (bytes === slab && size <= largestShared) {
    used = end;
    return bytes.subarray(outputStart, end);
  }
  const copy = Buffer.allocUnsafeSlow(size);
  copy.set(bytes.subarray(outputStart, end));
  if (large.length > largestKept) {
    large = slab;
    largeView = slabView;
  }
  return copy;
}

function viewOf(buffer: Buffer): DataView {
  return new DataView(buffer.buffer, buffer.byteOffset, buffer.length);
}
