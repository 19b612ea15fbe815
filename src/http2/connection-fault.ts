import { ErrorCode } from "./constants.ts";

/** A fault of the peer that ends the whole connection, with the error code to say so (RFC 9113 5.4.1). */
export class ConnectionFault extends Error {
  override readonly name = "ConnectionFault";
  readonly code: number;
  /** Of the abuse that was seen, if it was that: the name under which it is counted. */
  readonly abuse: string | undefined;

  constructor(code: number, message: string, abuse?: string) {
    super(message);
    this.code = code;
    this.abuse = abuse;
  }
}

/** PROTOCOL_ERROR */
export function protocolError(message: string): ConnectionFault {
  return new ConnectionFault(ErrorCode.PROTOCOL_ERROR, message);
}

/** FRAME_SIZE_ERROR */
export function sizeError(type: string): ConnectionFault {
  return new ConnectionFault(ErrorCode.FRAME_SIZE_ERROR, `a ${type} frame of another size`);
}
