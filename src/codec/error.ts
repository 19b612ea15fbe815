/** A message that cannot be converted. The text is fit for callers: it never quotes more of the input than one token. */
export class CodecError extends Error {
  override readonly name = "CodecError";
  /** Which side was at fault: JSON from a client, or bytes from an upstream. */
  readonly side: "json" | "wire";
  /** Where, as `items[3].price.units`; empty for the message itself. */
  readonly path: string;
  /** What is wrong there, such as `expected int64, got "12x"`. */
  readonly fault: string;

  constructor(side: "json" | "wire", path: string, fault: string, options?: ErrorOptions) {
    super(path === "" ? fault : `${path}: ${fault}`, options);
    this.side = side;
    this.path = path;
    this.fault = fault;
  }
}
