/** A fault in JSON, at a position of the memory. Becomes a CodecError that names the path. */
export class JsonFault extends Error {
  override readonly name = "JsonFault";
  readonly pos: number;
  /** Say what stands there instead. */
  readonly quote: boolean;

  constructor(pos: number, fault: string, quote: boolean) {
    super(fault);
    this.pos = pos;
    this.quote = quote;
  }
}

/** Bytes that are not the message they should be, or that have no JSON form. */
export class WireFault extends Error {
  override readonly name = "WireFault";
}

/** @throws JsonFault saying what was expected, which will be followed by what stands there */
export function expected(pos: number, what: string): never {
  throw new JsonFault(pos, `expected ${what}`, true);
}

/** @throws JsonFault */
export function faulty(pos: number, fault: string): never {
  throw new JsonFault(pos, fault, false);
}

/** @throws WireFault */
export function malformed(why: string): never {
  throw new WireFault(why);
}

export function truncated(): never {
  throw new WireFault("it is cut short");
}

/** Messages within each other, the outermost included. */
export const maxDepth = 100;

export function tooDeepJson(pos: number): never {
  faulty(pos, `nested more than ${maxDepth} deep`);
}

export function tooDeepWire(): never {
  malformed(`it is nested more than ${maxDepth} deep`);
}
