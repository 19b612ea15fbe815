const zero = 0x30;
const point = 0x2e;

/** Longer texts are written by the platform. */
const shortText = 24;

/** Views of so many octets are kept. */
const mostKept = 1024;

/**
 * Memory that a line is written into, piece by piece. What is written returns where it ends; there has to be room for it, but
 * for `octetsOf`, which makes it.
 */
export class LineRoom {
  #octets = Buffer.allocUnsafeSlow(1024);
  /** What it begins with, by sizes that were asked for: to make a view takes longer than to copy what it shows. */
  readonly #beginnings = new Map<number, Uint8Array>();

  /** What is written up to `end`: good until something is written. */
  upTo(end: number): Uint8Array {
    let beginning = this.#beginnings.get(end);
    if (beginning === undefined) {
      beginning = this.#octets.subarray(0, end);
      if (end < mostKept) this.#beginnings.set(end, beginning);
    }
    return beginning;
  }

  /** Makes room for so many octets in all; what is written stays. */
  reserve(size: number): void {
    if (size <= this.#octets.length) return;
    const larger = Buffer.allocUnsafeSlow(size * 2);
    larger.set(this.#octets);
    this.#octets = larger;
    this.#beginnings.clear();
  }

  /** A text of ASCII. */
  text(at: number, text: string): number {
    const octets = this.#octets;
    const { length } = text;
    if (length > shortText) return at + octets.write(text, at, "latin1");
    for (let i = 0; i < length; i++) octets[at + i] = text.charCodeAt(i);
    return at + length;
  }

  octetsOf(at: number, octets: Uint8Array): number {
    this.reserve(at + octets.length);
    this.#octets.set(octets, at);
    return at + octets.length;
  }

  threeDigits(at: number, value: number): number {
    const octets = this.#octets;
    octets[at] = zero + Math.floor(value / 100);
    octets[at + 1] = zero + (Math.floor(value / 10) % 10);
    octets[at + 2] = zero + (value % 10);
    return at + 3;
  }

  /** A whole number, not negative. */
  integer(at: number, value: number): number {
    if (value >= 1000) return this.text(at, String(value));
    const octets = this.#octets;
    let end = at;
    if (value >= 100) octets[end++] = zero + Math.floor(value / 100);
    if (value >= 10) octets[end++] = zero + (Math.floor(value / 10) % 10);
    octets[end++] = zero + (value % 10);
    return end;
  }

  /** A number as JSON has it, with at most three digits after the point. */
  milliseconds(at: number, value: number): number {
    const thousandths = Math.max(0, Math.round(value * 1000));
    const rest = thousandths % 1000;
    const end = this.integer(at, (thousandths - rest) / 1000);
    if (rest === 0) return end;
    this.#octets[end] = point;
    this.threeDigits(end + 1, rest);
    if (rest % 100 === 0) return end + 2;
    return rest % 10 === 0 ? end + 3 : end + 4;
  }
}
